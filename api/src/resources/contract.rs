//! The contracts whose errors are problems: that of on-chain deals, and what operators use.

use super::Tag;
use crate::{
    edge::{Contract, Part},
    problem::Problem,
};

/// On-chain deals, with what they need: integrations, nodes, reference data, wallets, members, webhooks.
pub(crate) static DEALS: Contract = Contract {
    name: "deals",
    // What no other contract speaks at.
    speaks_at: |_| false,
    refuse: Problem::plainly,
    part: Part {
        summary: "On-chain deals, and payments by card or bank transfer beside them",
        groups: &[
            Tag::Authentication,
            Tag::Payments,
            Tag::Widget,
            Tag::Integrations,
            Tag::Nodes,
            Tag::ReferenceData,
            Tag::Wallets,
            Tag::Webhooks,
            Tag::Members,
        ],
        paths: &["/auth/"],
        ..Part::PLAIN
    },
    origins: None,
};

/// Health, queues, dead letters, redrives and reviews.
pub(crate) static OPERATIONS: Contract = Contract {
    name: "operations",
    speaks_at: |_| false,
    refuse: Problem::plainly,
    part: Part {
        summary: "What operators look at and decide",
        groups: &[Tag::Reviews, Tag::DeadLetters, Tag::Queues, Tag::Operations],
        paths: &["/auth/"],
        events_for_operators: true,
        ..Part::PLAIN
    },
    origins: None,
};
