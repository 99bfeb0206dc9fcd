//! The jobs, one file each, and the agents that run for as long as the process; never knows poem.

mod agents;
mod context;
pub mod jobs;
mod letters;
mod notices;
mod recorder;
mod retention;
mod seller_events;
mod sessions;
mod stragglers;

pub use agents::{ChainAgents, chain_agents};
pub use context::Context;
pub use letters::{assign as assign_letters, resolve as resolve_letters, run as run_letters};
pub use notices::{run as run_notices, tell as tell_operators};
pub use recorder::PaymentRecorder;
pub use retention::{Retention, run as run_retention};
pub use stragglers::{
    announce as announce_stragglers, lapse as lapse_stragglers, look as look_at_stragglers,
    look_at_invoices as look_at_straggling_invoices, recover as recover_stragglers, run as run_stragglers,
    settle as settle_stragglers, take_up as take_up_stragglers,
};
