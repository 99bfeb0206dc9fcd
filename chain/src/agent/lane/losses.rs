//! What a node has lost of the transactions that it had taken.

use std::time::Instant;

use super::{AttemptStatus, Lane};
use crate::rpc::Counts;

impl Lane {
    /// Has what a node took, and has lost again, sent once more with the block that shows it: a lane's later transactions
    /// are worth nothing without the earlier ones, so that one loss would hold up all until the next round. A node that
    /// then says that it has them is left alone for a round.
    pub(super) fn miss(&mut self, counts: Counts) {
        let Some(pooled) = counts.pooled else { return };
        let (now, round) = (Instant::now(), self.context.config.rebroadcast_after());
        let beyond =
            self.sends.iter_mut().filter(|send| send.mined.is_none() && send.nonce >= pooled.max(counts.mined));
        let newest = beyond.filter_map(|send| send.attempts.last_mut());
        let mut missed = 0_u32;
        for attempt in newest.filter(|attempt| attempt.status == AttemptStatus::Accepted) {
            if attempt.kept_at.is_none_or(|at| at + round <= now) {
                attempt.due = now;
                missed += 1;
            }
        }
        if missed > 0 {
            metrics::counter!("quittance_chain_forgotten_total").increment(missed.into());
            tracing::info!(signer = %self.signer, missed, pooled, "a node has lost transactions that it had taken");
        }
    }
}
