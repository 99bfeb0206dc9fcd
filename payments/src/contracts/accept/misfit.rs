//! How a new payment does not fit what it refers to. The words are for the contract that it came in by.

use std::borrow::Cow;

use crate::money::AmountError;

/// What a new payment may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the rows of these names")]
pub enum Reference {
    Node,
    Network,
    Wallet,
    Member,
    Currency,
    Order,
}

/// A field that does not fit what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The chain is not that of the network.
    Chain,
    /// The currency is none of the network on which the payment is to be made.
    Currency,
    /// What is paid on chain goes to no account there.
    PaymentAddress,
    /// A bank transfer of an order comes with its first receipt, and in no other way.
    OrderOfTransfer,
    /// An order is paid as a whole.
    OrderTotal,
    /// The price is no amount of the currency.
    Price(AmountError),
    /// What is to be paid is no amount of the currency.
    PaidPrice(AmountError),
    /// What the item with this index costs is no amount of the currency.
    ItemPrice(usize, AmountError),
}

impl Misfit {
    /// JSON pointer to the field.
    #[must_use]
    pub fn pointer(self) -> Cow<'static, str> {
        match self {
            Self::Chain => "/chain_id".into(),
            Self::Currency => "/currency_id".into(),
            Self::PaymentAddress => "/payment_address".into(),
            Self::OrderOfTransfer => "/order_id".into(),
            Self::Price(_) => "/price".into(),
            Self::OrderTotal | Self::PaidPrice(_) => "/paid_price".into(),
            Self::ItemPrice(index, _) => format!("/items/{index}/price").into(),
        }
    }
}
