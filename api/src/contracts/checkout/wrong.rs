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
    /// How many of an item.
    #[error("must be a number above zero in digits, such as 2")]
    Quantity,
    /// An amount whose zeros count.
    #[error("must be an amount as text, such as 1500 or 12.50")]
    WrittenAmount,
    #[error("must be a phone number such as +2693210000")]
    Phone,
    #[error("must be a locale such as fr-KM")]
    Locale,
    #[error("must be a country of ISO 3166-1, two capital letters")]
    Country,
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
