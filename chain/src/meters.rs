//! What is counted of networks, their nodes and their signers.

use meters::{
    Meter, SECONDS,
    Values::{Known, Later},
};

/// Every metric of this crate.
pub const METERS: &[Meter] = &[
    Meter::histogram(
        "quittance_chain_rpc_seconds",
        "Time that a request to a node took, by provider (host and port)",
        SECONDS,
        &[("provider", Later)],
    ),
    Meter::counter(
        "quittance_chain_rpc_failures_total",
        "Requests to a node that failed, by provider",
        &[("provider", Later)],
    ),
    Meter::counter(
        "quittance_chain_rpc_doubts_total",
        "How often a node was behind the others or contradicted them, by provider",
        &[("provider", Later)],
    ),
    Meter::counter(
        "quittance_chain_contradictions_total",
        "Conclusions that another node or the contract's state did not bear out",
        &[],
    ),
    Meter::gauge(
        "quittance_chain_blocks_behind",
        "Blocks that are there and not recorded yet, by network",
        &[("network", Later)],
    ),
    Meter::gauge(
        "quittance_chain_unread_seconds",
        "How long the process that works a network has not been able to read it, by network",
        &[("network", Later)],
    ),
    Meter::sampled(
        "quittance_chain_head_timestamp_seconds",
        "When the newest block was made that was read, seconds since 1970, by network",
        &[("network", Later)],
    ),
    Meter::gauge(
        "quittance_chain_keys_unopened",
        "Signers whose key is missing or does not open, by network",
        &[("network", Later)],
    ),
    Meter::sampled(
        "quittance_chain_signer_balance_ether",
        "What a signer has to pay for gas with, in units of 10^18, by network and signer",
        &[("network", Later), ("signer", Later)],
    ),
    Meter::gauge(
        "quittance_chain_operations_held_back",
        "Operations that wait because the signer's policy or the contract does not allow them, by network and reason; \
         counted up to 10000",
        &[("network", Later), ("reason", Later)],
    ),
    Meter::counter("quittance_chain_reorganisations_total", "How often recorded blocks were replaced by others", &[]),
    Meter::gauge(
        "quittance_chain_lane_paused",
        "1 while a signer sends nothing new on a network, or not all of it, by the reason",
        &[("network", Later), ("signer", Later), ("reason", Later)],
    ),
    Meter::counter(
        "quittance_chain_replacements_total",
        "Transactions that took the place of an earlier one with the same nonce, by kind (bump, noop)",
        &[("kind", Known(&["bump", "noop"]))],
    ),
    Meter::counter(
        "quittance_chain_broadcasts_total",
        "Transactions that were handed to a node, by the class of its answer",
        &[("class", Known(BROADCAST_CLASSES))],
    ),
    Meter::counter(
        "quittance_chain_forgotten_total",
        "Transactions that a node had taken and did not have any more",
        &[],
    ),
    Meter::counter(
        "quittance_chain_healed_total",
        "Deals whose state was taken from the contract, because its log was missed",
        &[],
    ),
    Meter::counter(
        "quittance_chain_unknown_outcomes_total",
        "Operations of which nobody knew for long what became of them",
        &[],
    ),
];

const BROADCAST_CLASSES: &[&str] = &[
    "not_sent",
    "unknown",
    "throttled",
    "endpoint",
    "accepted",
    "nonce_too_low",
    "nonce_too_high",
    "replacement_underpriced",
    "underpriced",
    "insufficient_funds",
    "reverted",
    "pool_full",
    "rejected",
    "malformed",
];
