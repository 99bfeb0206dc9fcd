//! The jobs, one file each, and the agents that run for as long as the process; never knows poem.

#![allow(missing_docs, reason = "nobody outside of this repository reads this crate's documentation")]

mod agents;
mod context;
mod gauges;
pub mod jobs;
mod letters;
mod meters;
mod notices;
mod recorder;
mod retention;
mod seller_events;
mod sessions;
mod stragglers;

pub use agents::{ChainAgents, chain_agents};
pub use context::Context;
pub use gauges::run as run_gauges;
pub use letters::{assign as assign_letters, resolve as resolve_letters, run as run_letters};
pub use meters::METERS;
pub use notices::{notify as notify_operators, run as run_notices};
pub use recorder::PaymentRecorder;
pub use retention::{Retention, run as run_retention};
pub use stragglers::{
    announce as announce_stragglers, lapse as lapse_stragglers, poll_invoices as poll_straggling_invoices,
    poll_sessions as poll_straggling_sessions, recover as recover_stragglers, run as run_stragglers,
    settle as settle_stragglers, take_up as take_up_stragglers,
};
