//! What an agent reports of itself.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};

use crate::rpc::ProviderHealth;

/// How an agent is doing, for health checks and operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentHealth {
    /// Whether this process works the network; if not, another one does, or should.
    pub leader: bool,
    /// The block up to which everything is recorded; `None` before the first poll.
    pub head: Option<u64>,
    /// When a poll last succeeded.
    pub polled_at: Option<DateTime<Utc>>,
    /// What the last poll failed with, if it did.
    pub last_error: Option<String>,
    /// The endpoints.
    pub providers: Vec<ProviderHealth>,
    /// The signers that send nothing at the moment, and why, as the end of a sentence about them.
    pub lanes: BTreeMap<Address, &'static str>,
}
