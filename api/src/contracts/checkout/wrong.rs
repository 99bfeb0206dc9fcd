//! What is wrong with a value beyond what other contracts know.

use crate::problem::{Own, Wrong};

/// A kind of mistake that no other contract knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CheckoutWrong {
    /// A URL of the shop is missing without which its pages cannot be returned to.
    #[error("is required in embedded mode")]
    RequiredInEmbeddedMode,
    #[error("is not a currency of ISO 4217 that can be paid here")]
    UnknownCurrency,
    /// An item's currency is another than the total's.
    #[error("must be the currency of the total")]
    OtherCurrency,
    /// An amount has a fraction which its currency has not.
    #[error("must be an integer: the currency has no fraction")]
    Fraction,
    /// The grant of a token is none that is given here.
    #[error("must be client_credentials")]
    GrantType,
    /// The header `Authorization: Basic` holds something else.
    #[error("must hold a client id and its secret, joined by a colon, in Base64")]
    Basic,
    /// A client has sent its secret in two ways.
    #[error("must not be sent beside HTTP Basic")]
    BesideBasic,
    /// A client has sent two ids.
    #[error("must be the one of HTTP Basic, or be left out")]
    OtherThanBasic,
}

impl From<CheckoutWrong> for Wrong {
    fn from(wrong: CheckoutWrong) -> Self {
        Self::Own(Own::new(wrong))
    }
}
