//! Why a request about an order, its payments or its seller is refused.

use entities::PaymentStatus;
use sea_orm::DbErr;

use crate::debt::{Closed, Fulfilment};

/// Why a request was refused. Nothing was written then, and nothing may be committed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is no such thing.
    #[error("{0:?} not found")]
    NotFound(Missing),
    /// It belongs to a node that the caller does not reach.
    #[error("Insufficient permission to access payment's node")]
    OutOfReach,
    /// The state of things does not allow it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What a request is about and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the rows of these names")]
pub enum Missing {
    Order,
    Submission,
}

/// What the state of an order, of its payments or of its seller does not allow now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The order takes no payment.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Its bank transfer is confirmed.
    #[error("The order is confirmed already")]
    Confirmed,
    /// Its bank payment is in a state in which no receipt is taken or decided.
    #[error("The order's payment is {0}")]
    Transfer(PaymentStatus),
    /// As many receipts as are taken wait for a verdict.
    #[error("{0} receipts of this order wait for a verdict; no more are taken until then")]
    Undecided(usize),
    /// There is nothing to decide on.
    #[error("No receipt was reported for this order")]
    NoReceipt,
    /// The shop has gone on with the order.
    #[error("The order is {0} already, so that its confirmation stands")]
    InHand(Fulfilment),
    /// The payee has the money.
    #[error("The payment was released already, so that its confirmation stands")]
    Released,
    /// It has no card payment, or none that captured anything.
    #[error("The order is not paid by card")]
    NotByCard,
    /// All of its card payment was given back.
    #[error("The order is refunded already")]
    Refunded,
    /// Its card payment is in a state in which it is neither paid nor refunded.
    #[error("The order's card payment is {0}")]
    Card(PaymentStatus),
    /// Less is left than the refund asks for. In the currency's smallest unit.
    #[error("Of this order's payment {0} cents are left to refund")]
    Left(i64),
    /// Its card payment has expired.
    #[error("The time to pay is over")]
    Late,
    /// The seller has no account at the card processor.
    #[error("No connected account")]
    NoAccount,
    /// The seller has one that cannot be paid out.
    #[error("Payouts are not enabled for the connected account")]
    PayoutsDisabled,
    /// The seller has less than the payout asks for. In the currency's smallest unit.
    #[error("The available balance is {0} cents")]
    Balance(i64),
}
