//! How an agent behaves, with defaults that suit a local node and do no harm to a hosted one.

use std::{collections::HashSet, time::Duration};

use alloy::primitives::Address;
use chrono::TimeDelta;
use serde::Deserialize;

use crate::{dialect::DialectConfig, signer::RemoteSigner};

/// Settings of the chain agents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often the head block is asked for, milliseconds. A hosted node with a block every 12 s is well served by
    /// 3,000.
    pub poll_interval_ms: u64,
    /// How long a silent process keeps its networks before another one may take them over, milliseconds.
    pub lease_ms: u64,
    /// Deadline of one JSON-RPC request, milliseconds.
    pub rpc_timeout_ms: u64,
    /// Unmined transactions that a signer may have at a time, at most; the agent itself goes lower when the node says
    /// that its pool is full.
    pub window_max: u32,
    /// Operations in one transaction, at most.
    pub batch_max: u32,
    /// Gas of one transaction, at most. 2^24 is the protocol's own cap since Osaka.
    pub gas_max: u64,
    /// The highest fee per gas (base and tip) that is ever offered, in wei; sends wait, visibly, until the price falls
    /// below it. Without it any price is paid.
    pub fee_cap_wei: Option<u64>,
    /// The lowest tip per gas that is offered, in wei.
    pub tip_min_wei: u64,
    /// How long the oldest transaction of a signer may stay unmined before its fees are raised, milliseconds.
    pub bump_after_ms: u64,
    /// How long after its last broadcast an unmined transaction is sent again as it is, milliseconds. Nodes forget.
    pub rebroadcast_after_ms: u64,
    /// How often recorded deals are compared with the contract's own state, milliseconds.
    pub reconcile_interval_ms: u64,
    /// How long an operation may be on its way before somebody has to look at it, milliseconds. Counted from its first
    /// transaction; the sending goes on all the same.
    pub review_after_ms: u64,
    /// How long before its expiry a deal has to be sent at the latest, milliseconds: one that expires before its block is
    /// mined is sent in vain, and in a diamond of the first edition reverts its neighbours, too. Twice the time between two
    /// blocks is right.
    pub expiry_margin_ms: u64,
    /// Signers that work on every network besides those that are asked for, and carry out what these cannot or do not come to, on
    /// diamonds that they operate.
    pub signers: Vec<Address>,
    /// Addresses whose keys lie with somebody else and not in the keystore.
    pub remote_signers: Vec<RemoteSigner>,
    /// Diamonds that somebody else has written, and how they are driven.
    pub dialects: Vec<DialectConfig>,
    /// Deadline of one answer of a remote signer, milliseconds.
    pub signer_timeout_ms: u64,
    /// Whom a diamond belongs to that is deployed from now on: an address of which no key is needed here, best one whose key
    /// lies in a safe. Without it a diamond belongs to the signer that deploys it.
    pub diamond_owner: Option<Address>,
    /// How long what its owner announces is to be seen before it may happen, seconds; a year at most. For diamonds that are
    /// deployed from now on.
    pub diamond_delay_s: u64,
    /// Blocks asked for in one `eth_getLogs`, at most; shrinks by itself when the node refuses.
    pub log_range_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval_ms: 250,
            lease_ms: 10_000,
            rpc_timeout_ms: 10_000,
            window_max: 16,
            batch_max: 100,
            gas_max: 1 << 24,
            fee_cap_wei: None,
            tip_min_wei: 1_000_000,
            bump_after_ms: 45_000,
            rebroadcast_after_ms: 10_000,
            reconcile_interval_ms: 30_000,
            review_after_ms: 3_600_000,
            expiry_margin_ms: 3_000,
            signers: Vec::new(),
            remote_signers: Vec::new(),
            dialects: Vec::new(),
            signer_timeout_ms: 5_000,
            diamond_owner: None,
            diamond_delay_s: 172_800,
            log_range_max: 2_000,
        }
    }
}

impl Config {
    /// What is wrong with the settings, one sentence each.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let positive = [
            ("poll_interval_ms", self.poll_interval_ms),
            ("lease_ms", self.lease_ms),
            ("rpc_timeout_ms", self.rpc_timeout_ms),
            ("signer_timeout_ms", self.signer_timeout_ms),
            ("rebroadcast_after_ms", self.rebroadcast_after_ms),
            ("reconcile_interval_ms", self.reconcile_interval_ms),
            ("review_after_ms", self.review_after_ms),
        ];
        let zero = positive.into_iter().filter(|(_, value)| *value == 0);
        mistakes.extend(zero.map(|(name, _)| format!("chain.{name} must be above 0")));
        if self.diamond_owner.is_some_and(|owner| owner.is_zero()) {
            mistakes.push("chain.diamond_owner must not be the zero address".to_owned());
        }
        if self.diamond_delay_s > 365 * 86_400 {
            mistakes.push("chain.diamond_delay_s must be a year at most".to_owned());
        }
        let mut taken = HashSet::new();
        for (number, dialect) in (1..).zip(&self.dialects) {
            mistakes.extend(dialect.mistakes().iter().map(|what| format!("chain.dialects.{number}: {what}")));
            let chain_id = dialect.chain_id;
            let twice = dialect.diamonds.iter().filter(|diamond| !taken.insert((chain_id, **diamond)));
            mistakes.extend(twice.map(|diamond| {
                format!("chain.dialects.{number}: another dialect has {diamond} on network {chain_id} already")
            }));
        }
        if self.review_after_ms <= self.bump_after_ms {
            mistakes.push(
                "chain.review_after_ms must be above chain.bump_after_ms, or nothing is tried before somebody is asked"
                    .to_owned(),
            );
        }
        mistakes
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(crate) fn expiry_margin(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.expiry_margin_ms.try_into().unwrap_or(i64::MAX / 1_000))
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub(crate) fn rpc_timeout(&self) -> Duration {
        Duration::from_millis(self.rpc_timeout_ms)
    }

    pub(crate) fn signer_timeout(&self) -> Duration {
        Duration::from_millis(self.signer_timeout_ms)
    }

    pub(crate) fn bump_after(&self) -> Duration {
        Duration::from_millis(self.bump_after_ms)
    }

    pub(crate) fn rebroadcast_after(&self) -> Duration {
        Duration::from_millis(self.rebroadcast_after_ms)
    }

    pub(crate) fn review_after(&self) -> Duration {
        Duration::from_millis(self.review_after_ms)
    }

    pub(crate) fn reconcile_interval(&self) -> Duration {
        Duration::from_millis(self.reconcile_interval_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right_and_nonsense_is_named() {
        assert!(Config::default().mistakes().is_empty());
        let hasty = Config { review_after_ms: 45_000, ..Config::default() };
        assert_eq!(hasty.mistakes().len(), 1, "{:?}", hasty.mistakes());
        let zero = Config { review_after_ms: 0, poll_interval_ms: 0, ..Config::default() };
        assert_eq!(zero.mistakes().len(), 3, "{:?}", zero.mistakes());
        let nobody = Some(Address::ZERO);
        let ownerless = Config { diamond_owner: nobody, diamond_delay_s: 365 * 86_400 + 1, ..Config::default() };
        assert_eq!(ownerless.mistakes().len(), 2, "{:?}", ownerless.mistakes());
    }
}
