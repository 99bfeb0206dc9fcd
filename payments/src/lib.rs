//! The one state machine: every write that changes a payment; never knows HTTP, AMQP or JSON-RPC.

pub mod accept;
pub mod access_token;
mod caller;
pub mod checkout_links;
pub mod commands;
pub mod event;
pub mod evm_address;
pub mod idempotency;
pub mod intents;
pub mod jobs;
pub mod ledger;
pub mod log;
pub mod money;
pub mod observation;
mod off_chain;
pub mod orders;
pub mod payouts;
pub mod rail;
pub mod reach;
pub mod receipts;
mod record;
pub mod refunds;
pub mod sellers;
pub mod sessions;
pub mod till;
pub mod transition;
pub mod verdict;

pub use accept::{AcceptError, Accepted, Acceptor, NewPayment};
pub use access_token::AccessTokens;
pub use caller::{Actor, Caller, CallerKind, Permission};
pub use checkout_links::CheckoutLinks;
pub use observation::{AtGateway, Observation, Outcome, RefundSeen};
pub use reach::Denied;
pub use record::{Observed, record};
