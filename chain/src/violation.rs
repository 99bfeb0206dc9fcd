//! What a signer's policy forbids.

/// Why a transaction is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An operator has paused the signer.
    #[error("the signer is paused")]
    Paused,
    /// It may not do this.
    #[error("the signer's policy does not allow this action")]
    Action,
    /// It may not act on this diamond.
    #[error("the signer's policy does not allow this diamond")]
    Diamond,
    /// It offers more per gas than it may.
    #[error("the signer's policy does not allow this fee")]
    FeeCap,
    /// It is no call that a signer of ours makes.
    #[error("it is none of the calls that a signer makes")]
    Call,
}

impl Violation {
    /// Every one.
    pub(crate) const ALL: [Self; 5] = [Self::Paused, Self::Action, Self::Diamond, Self::FeeCap, Self::Call];

    /// As it stands in `chain_operations.held_back_by`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Action => "policy_action",
            Self::Diamond => "policy_diamond",
            Self::FeeCap => "fee_cap",
            Self::Call => "policy_call",
        }
    }
}
