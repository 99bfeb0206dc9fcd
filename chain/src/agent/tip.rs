//! How far a chain is recorded.

/// The chain as far as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) number: u64,
    pub(crate) hash: alloy::primitives::B256,
    /// `None` where blocks have none.
    pub(crate) base_fee: Option<u128>,
    /// The last block with the network's confirmations.
    pub(crate) final_number: u64,
    /// How often recorded blocks were replaced since this owner's term began.
    pub(crate) reorganisations: u64,
}
