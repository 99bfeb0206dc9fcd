//! Sea-orm entities, id newtypes and statuses: the shape of the tables; knows nothing of queues, HTTP or chains.

#![allow(missing_docs, reason = "nobody outside of this repository reads this crate's documentation")]

mod amount;
mod id;
mod owner;
mod status;

pub mod announcement;
pub mod audit;
pub mod bank_account;
pub mod base_currency;
pub mod capture;
pub mod chain;
pub mod checkout;
pub mod connected_account;
pub mod currency;
pub mod diamond;
pub mod event;
pub mod exchange_rate;
pub mod gateway_callback;
pub mod gateway_session;
pub mod idempotency_key;
pub mod integration;
pub mod ledger_entry;
pub mod ledger_posting;
pub mod lightning_invoice;
pub mod member;
pub mod network;
pub mod node;
pub mod notice;
pub mod order;
pub mod payment;
pub mod payment_log;
pub mod payment_method;
pub mod payment_submission;
pub mod payout;
pub mod refresh_token;
pub mod refund;
pub mod role;
pub mod role_permission;
pub mod sandbox_object;
pub mod seller_balance;
pub mod sign_in_count;
pub mod signer;
pub mod signer_lane;
pub mod ticket;
pub mod ticket_payment;
pub mod till_payment;
pub mod token_family;
pub mod upload;
pub mod upload_allowance;
pub mod user;
pub mod wallet;
pub mod webhook_attempt;
pub mod webhook_body;
pub mod webhook_delivery;
pub mod webhook_endpoint;
pub mod webhook_recovery;

pub use amount::Amount;
pub use id::*;
pub use owner::{OfNode, Shared, Unscoped};
pub use status::*;

/// Now, in the microseconds that both databases keep, so that what was written equals what is read.
#[must_use]
pub fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::SubsecRound::trunc_subsecs(chrono::Utc::now(), 6)
}

/// A time as answers and events write it: always in UTC, with `Z` and all six digits that are kept.
#[must_use]
pub fn rfc3339(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// The same for serde.
///
/// # Errors
/// When the serializer fails.
pub fn serialize_time<S: serde::Serializer>(
    time: &chrono::DateTime<chrono::Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}
