//! The one state machine: every write that changes a payment; never knows HTTP, AMQP or JSON-RPC.

mod contracts;
mod core;
mod meters;
mod rails;

#[cfg(test)]
pub(crate) use self::core::samples;
pub use self::core::{
    access_token, commands, deal, event, evm_address, idempotency, jobs, listing, log, method, money, observation,
    rail, reach, subjects, transition, verdict,
};
pub(crate) use self::core::{caller, debt, lock, off_chain, record, request_error, row};
pub use contracts::{
    accept, checkout, checkout_links, intents, ledger, lightning, orders, payouts, rates, receipts, refunds, reviews,
    sellers, till, uploads,
};
pub use rails::sessions;

pub use accept::{AcceptError, Accepted, Acceptor, NewPayment};
pub use access_token::AccessTokens;
pub use caller::{Actor, Caller, CallerKind, Permission, RequestedBy};
pub use checkout_links::CheckoutLinks;
pub use lock::lock_payments;
pub use meters::METERS;
pub use method::{Capabilities, Expiry};
pub use observation::{AtGateway, Closing, Observation, Outcome, RefundUpdate};
pub use reach::Denied;
pub use record::{Observed, record};
pub use request_error::{Conflict, Missing, RequestError};
