//! What is wrong with a value beyond what other contracts know.

use crate::problem::{Own, Wrong};

/// A text of a format that no other contract has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MarketplaceWrong {
    #[error("must be a date such as 1990-05-17")]
    Date,
    /// A Portuguese tax number.
    #[error("must be nine digits with the right check digit")]
    Nif,
    #[error("must be an IBAN with the right check digits")]
    Iban,
}

impl From<MarketplaceWrong> for Wrong {
    fn from(wrong: MarketplaceWrong) -> Self {
        Self::Own(Own::new(wrong))
    }
}
