//! The jobs, one file each, and the agents that run for as long as the process; never knows poem.

mod agents;
mod context;
pub mod jobs;
mod recorder;
mod retention;

pub use agents::{ChainAgents, chain_agents};
pub use context::Context;
pub use recorder::PaymentRecorder;
pub use retention::{Retention, run as run_retention};
