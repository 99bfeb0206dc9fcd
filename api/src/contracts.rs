//! Every contract, in the order of the documents. A further one is a folder and a line here.

use crate::{checkout, edge::Contract, marketplace, receipts, resources, till};

impl Contract {
    /// All of them.
    pub(crate) const ALL: [&'static Self; 6] = [
        &resources::DEALS,
        &receipts::CONTRACT,
        &till::CONTRACT,
        &checkout::CONTRACT,
        &marketplace::CONTRACT,
        &resources::OPERATIONS,
    ];
}

/// The contract that words errors at this path; where none does, they are problems as RFC 9457 has them, which is how
/// the deals word theirs.
pub(crate) fn at(path: &str) -> &'static Contract {
    Contract::ALL.into_iter().find(|contract| (contract.speaks_at)(path)).unwrap_or(&resources::DEALS)
}
