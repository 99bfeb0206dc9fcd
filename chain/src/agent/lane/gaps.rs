//! Nonces that nobody uses, in front of ours. They come from an endpoint that overstated a count, or from a stranger
//! whose transaction was dropped; nothing behind them is ever mined unless they are filled.

use alloy::primitives::{Bytes, U256};
use chrono::Utc;
use uuid::Uuid;

use super::{Lane, Send};
use crate::{
    agent::Tip,
    error::Error,
    fact::AttemptKind,
    fees::{self, Quote},
    transaction::Draft,
};

/// Blocks beyond the confirmations before a gap is believed: the predecessors may only be late.
const PATIENCE: u64 = 3;
/// Nonces filled at a time.
const FILLED_MAX: usize = 64;

impl Lane {
    /// Has the lane read anew, which fills the gap, when the first unmined send stays out of reach.
    pub(super) fn watch_for_gaps(&mut self, used: u64, tip: Tip) -> Result<(), Error> {
        let first = self.sends.iter().find(|send| send.mined.is_none()).map(|send| send.nonce);
        if first.is_none_or(|first| first <= used) {
            self.gap_since = None;
            return Ok(());
        }
        let since = *self.gap_since.get_or_insert(tip.number);
        let patience = PATIENCE + u64::from(self.context.network.confirmations);
        if since + patience < tip.number { Err(Error::LaneMoved(self.signer)) } else { Ok(()) }
    }

    /// Puts a no-op at every nonce from `free` on, the first that no node has anything for, that no send of ours covers.
    pub(super) async fn fill_gaps(&mut self, free: u64, tip: Tip) -> Result<(), Error> {
        let covered = |nonce: &u64| self.sends.iter().any(|send| send.nonce == *nonce);
        let missing: Vec<u64> = (free..self.next_nonce).filter(|nonce| !covered(nonce)).take(FILLED_MAX).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let Quote::Offer(fees) = fees::quote(tip.base_fee, self.tip_price(tip).await, self.fee_cap()) else {
            tracing::warn!(signer = %self.signer, ?missing, "nonces stay unused until the price falls");
            return Ok(());
        };
        tracing::warn!(signer = %self.signer, ?missing, "chain lane fills unused nonces");
        let mut sends = Vec::with_capacity(missing.len());
        for nonce in missing {
            let draft = Draft {
                chain_id: self.context.network.chain_id,
                nonce,
                to: Some(self.signer),
                value: U256::ZERO,
                input: Bytes::new(),
                gas_limit: Draft::NOOP_GAS,
                fees,
            };
            sends.push(Send {
                id: Uuid::now_v7(),
                nonce,
                kind: None,
                diamond: None,
                operations: Vec::new(),
                subjects: Vec::new(),
                gas_limit: Draft::NOOP_GAS,
                attempts: vec![self.attempt(&draft, AttemptKind::Noop).await?],
                mined: None,
                missing_since: None,
            });
        }
        let tx = self.context.begin().await?;
        if !self.confirm_policy(&tx).await? {
            return Ok(());
        }
        self.insert(&tx, &sends).await?;
        tx.commit().await?;
        for send in &sends {
            self.budget.add(Utc::now(), send.gas_limit, send.cost());
        }
        self.sends.extend(sends);
        self.sends.make_contiguous().sort_by_key(|send| send.nonce);
        Ok(())
    }
}
