//! The contracts whose errors are problems: that of on-chain deals, and what operators use.

use crate::{edge::Contract, problem::Problem};

/// On-chain deals, with what they need: integrations, nodes, reference data, wallets, members, webhooks.
pub(crate) static DEALS: Contract = Contract {
    // What no other contract speaks at.
    speaks_at: |_| false,
    refuse: Problem::plainly,
    origins: None,
};

/// Health, queues, dead letters, redrives and reviews.
pub(crate) static OPERATIONS: Contract = Contract { speaks_at: |_| false, refuse: Problem::plainly, origins: None };
