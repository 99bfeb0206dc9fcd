//! Looks after what is not mined: the same bytes again, higher fees for the first in line, a no-op where a nonce would
//! otherwise stay empty for ever.

use std::time::{Duration, Instant};

use alloy::primitives::U128;
use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::{AttemptStatus, Lane, Send, budget, dispatch, pause};
use crate::{
    agent::Tip,
    error::Error,
    fact::AttemptKind,
    fees::{self, Fees, Quote},
    rpc::{Call, decode},
    transaction::Draft,
    violation::Violation,
};

/// An attempt that was refused as too cheap waits this long before it is priced anew.
const REPRICE_AFTER: Duration = Duration::from_secs(2);
/// Fees are never raised beyond this multiple of the market's: what is not mined then has another reason.
const OVER_MARKET: u128 = 10;

impl Lane {
    pub(super) async fn maintain(&mut self, tip: Tip) -> Result<(), Error> {
        // What is recorded goes out again whether or not there is a signature for something dearer.
        let replaced = self.replace_head(tip).await;
        let now = Instant::now();
        let mut due: Vec<(Uuid, Uuid)> = Vec::new();
        for send in self.sends.iter().filter(|send| send.mined.is_none()).take(self.window) {
            let newest = send.attempts.last().filter(|attempt| attempt.status != AttemptStatus::Rejected);
            // A refused bump leaves the one before it with the nodes, and that one may have been forgotten.
            let refused = newest.is_some_and(|attempt| attempt.status == AttemptStatus::Underpriced);
            let before = send.attempts.iter().rev().skip(1).find(|attempt| attempt.status == AttemptStatus::Accepted);
            let candidates = before.filter(|_| refused).into_iter().chain(newest);
            due.extend(candidates.filter(|attempt| attempt.due <= now).map(|attempt| (send.id, attempt.id)));
        }
        self.broadcast(&due).await?;
        replaced
    }

    /// Replaces the first unmined attempt when it is refused for good, too cheap, or waits for too long. Only the first:
    /// its successors cannot be mined before it, whatever they pay.
    async fn replace_head(&mut self, tip: Tip) -> Result<(), Error> {
        let Some(head) = self.sends.iter().find(|send| send.mined.is_none() && send.missing_since.is_none()) else {
            return Ok(());
        };
        let Some(newest) = head.newest() else { return Ok(()) };
        let age = Utc::now() - newest.signed_at;
        let older_than = |limit: Duration| TimeDelta::from_std(limit).is_ok_and(|limit| age > limit);
        let kind = match newest.status {
            AttemptStatus::Rejected if newest.kind == AttemptKind::Noop => return Ok(()),
            AttemptStatus::Rejected => AttemptKind::Noop,
            _ if newest.kind == AttemptKind::Noop && !older_than(self.context.config.bump_after()) => return Ok(()),
            AttemptStatus::Underpriced if older_than(REPRICE_AFTER) => AttemptKind::Bump,
            _ if older_than(self.context.config.bump_after()) => AttemptKind::Bump,
            _ => return Ok(()),
        };
        // A no-op is raised as a no-op: it must not become the refused call again.
        let kind = if newest.kind == AttemptKind::Noop { AttemptKind::Noop } else { kind };
        let (old, id) = (newest.fees, head.id);
        self.read_policy().await?;
        let tip_price = self.tip_price(tip).await;
        let Some(fees) = self.raised(old, tip, tip_price) else {
            let needed = tip.base_fee.map_or(tip_price, |base_fee| base_fee.saturating_add(old.tip));
            let wanting = old.max_fee < needed;
            return if wanting { self.pause(Some(pause::FEE_CAP)).await } else { Ok(()) };
        };
        let Some(newest) = self.sends.iter().find(|send| send.id == id).and_then(Send::newest) else { return Ok(()) };
        let draft = Draft::of(&newest.raw)?;
        let before = newest.fees.max_fee;
        let draft = match kind {
            AttemptKind::Noop => draft.noop(self.signer, fees),
            AttemptKind::Call | AttemptKind::Bump => draft.with_fees(fees),
        };
        // What is not allowed any more gives its nonce back: the others behind it are.
        let (draft, kind) = match self.policy.check(&draft, self.signer, &self.context.dialects) {
            Err(Violation::Action | Violation::Diamond) => (draft.noop(self.signer, fees), AttemptKind::Noop),
            _ => (draft, kind),
        };
        if let Some(word) = self.over_budget(&draft, before) {
            return self.pause(Some(word)).await;
        }
        self.add_attempt(id, &draft, kind).await
    }

    /// What the node thinks a tip has to be, or the price where there are none.
    pub(super) async fn tip_price(&self, tip: Tip) -> u128 {
        let asked = self.context.rpc.preferred().read(Call::price(tip.base_fee)).await;
        let price = asked.ok().and_then(|value| decode::<U128>(value).ok()).unwrap_or_default();
        price.to::<u128>().max(self.context.config.tip_min_wei.into())
    }

    fn raised(&self, old: Fees, tip: Tip, tip_price: u128) -> Option<Fees> {
        let cap = self.fee_cap();
        let market = match fees::quote(tip.base_fee, tip_price, None) {
            Quote::Offer(fees) => fees,
            Quote::OverCap { .. } => return None,
        };
        let market = Fees { max_fee: cap.map_or(market.max_fee, |cap| market.max_fee.min(cap.into())), ..market };
        let raised = fees::bump(old, market, cap)?;
        (raised.max_fee <= market.max_fee.saturating_mul(OVER_MARKET)).then_some(raised)
    }

    /// Writes the new attempt down; it is due at once.
    async fn add_attempt(&mut self, send_id: Uuid, draft: &Draft, kind: AttemptKind) -> Result<(), Error> {
        let attempt = self.attempt(draft, kind).await?;
        let Some(send) = self.sends.iter().find(|send| send.id == send_id) else { return Ok(()) };
        tracing::warn!(signer = %self.signer, nonce = send.nonce, kind = kind.as_str(), hash = %attempt.hash,
            max_fee = draft.fees.max_fee, "chain lane replaces an attempt");
        metrics::counter!("quittance_chain_replacements_total", "kind" => kind.as_str()).increment(1);
        let mut tx = self.context.begin().await?;
        if !self.confirm_policy(&tx).await? {
            return Ok(());
        }
        dispatch::insert_attempts(&tx, &[(send_id, &attempt)]).await?;
        let facts = dispatch::signed(send, &attempt).collect();
        self.context.record(&mut tx, facts).await?;
        fail::fail_point!("bump.before_commit");
        tx.commit().await?;
        fail::fail_point!("bump.committed");
        let (mut before, fee) = (0, attempt.fees.max_fee);
        if let Some(send) = self.send_mut(send_id) {
            before = send.newest().map_or(0, |newest| newest.fees.max_fee);
            send.attempts.push(attempt);
        }
        self.budget.add(Utc::now(), 0, budget::cost(draft.gas_limit, fee.saturating_sub(before)));
        Ok(())
    }
}

impl Send {
    /// What a node said about the call before a no-op took its nonce.
    pub(super) fn refusal(&self) -> String {
        let refused = self.attempts.iter().rev().find(|attempt| attempt.kind != AttemptKind::Noop);
        let answer = refused.and_then(|attempt| attempt.answer.clone());
        answer.unwrap_or_else(|| "refused by the node".to_owned())
    }
}
