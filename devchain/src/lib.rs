//! An in-process EVM with JSON-RPC for the embedded default and for tests; never for production.
//!
//! It must never know payments: to everyone else it is just another node behind a URL.

mod accounts;
mod append;
mod block;
mod call;
mod chain;
mod clock;
mod evm;
mod faults;
mod history;
mod http;
mod journal;
mod ledger;
mod miner;
mod node;
mod pool;
mod record;
mod restore;
mod rpc;
mod snapshot;
mod state;

use std::{path::PathBuf, time::Duration};

use alloy::primitives::B256;

pub use accounts::Account;
pub use chain::DevChain;
pub use faults::{Fault, Faults};
pub use miner::Dropped;
pub use rpc::NoAnswer;

/// What a development chain is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain id, fixed once a data folder exists.
    pub chain_id: u64,
    /// When blocks are mined.
    pub block_time: BlockTime,
    /// Where the chain is kept; without it everything lives in memory and is gone with the last handle.
    pub data_dir: Option<PathBuf>,
    /// How many accounts hold 10,000 ether from the start.
    pub accounts: u8,
    /// What the accounts' keys are derived from: random unless given. A data folder keeps the seed of its first start,
    /// whatever is given later.
    pub seed: Option<B256>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chain_id: 31337,
            block_time: BlockTime::Interval(Duration::from_secs(1)),
            data_dir: None,
            accounts: 10,
            seed: None,
        }
    }
}

/// When blocks are mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockTime {
    /// One block each interval, also when it is empty.
    Interval(Duration),
    /// A block as soon as a transaction arrives, before its hash is answered.
    Instant,
    /// Only when asked to.
    Manual,
}
