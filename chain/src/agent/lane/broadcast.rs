//! Hands signed bytes to a node and writes down what it said.

use std::time::{Duration, Instant};

use alloy::primitives::Bytes;
use chrono::Utc;
use queue::backoff;
use serde_json::json;
use uuid::Uuid;

use super::{AttemptStatus, Lane, pause};
use crate::{
    classify::{Class, classify},
    error::Error,
    fact::Fact,
    rpc::{Answer, Call},
    table::update_from,
};

/// A malformed request is our own mistake; somebody has to look, and asking often does not help.
const MALFORMED: Duration = Duration::from_secs(30);

impl Lane {
    /// Sends these attempts (send, attempt), which are already written down, in the order of their nonces.
    pub(super) async fn broadcast(&mut self, due: &[(Uuid, Uuid)]) -> Result<(), Error> {
        if due.is_empty() {
            return Ok(());
        }
        let calls: Vec<Call> = due.iter().filter_map(|(send, attempt)| self.raw_call(*send, *attempt)).collect();
        let again = due.iter().all(|(send, attempt)| self.was_sent(*send, *attempt));
        let (provider, answers) = self.exchange(calls, again).await;
        fail::fail_point!("broadcast.answered");
        // Whatever came of it, the head may change now.
        self.context.poll_now.notify_one();
        let mut outcomes = Vec::new();
        let mut short_of_funds = false;
        for ((send_id, attempt_id), answer) in due.iter().zip(answers) {
            let class = answer.as_ref().map_or_else(classify, |_| Class::Known);
            short_of_funds |= class == Class::InsufficientFunds;
            let text = match &answer {
                Ok(_) => "accepted".to_owned(),
                Err(fault) => fault.to_string(),
            };
            metrics::counter!("quittance_chain_broadcasts_total", "class" => label(&class)).increment(1);
            let kept = class == Class::Known && answer.is_err();
            if self.digest(*send_id, *attempt_id, &class, &text, kept) {
                outcomes.push((*send_id, *attempt_id, text));
            }
        }
        self.write_answers(&provider, outcomes).await?;
        if short_of_funds { self.pause(Some(pause::FUNDS)).await } else { Ok(()) }
    }

    fn raw_call(&self, send_id: Uuid, attempt_id: Uuid) -> Option<Call> {
        let send = self.sends.iter().find(|send| send.id == send_id)?;
        let attempt = send.attempts.iter().find(|attempt| attempt.id == attempt_id)?;
        Some(Call::new("eth_sendRawTransaction", json!([Bytes::copy_from_slice(&attempt.raw)])))
    }

    fn was_sent(&self, send_id: Uuid, attempt_id: Uuid) -> bool {
        let send = self.sends.iter().find(|send| send.id == send_id);
        let attempt = send.and_then(|send| send.attempts.iter().find(|attempt| attempt.id == attempt_id));
        attempt.is_some_and(|attempt| attempt.answer.is_some())
    }

    /// Only where not a byte left is another endpoint asked at once; otherwise the outcome is unknown. What had to be
    /// sent again goes to the other endpoints too: the one that took it may keep it to itself.
    async fn exchange(&self, calls: Vec<Call>, again: bool) -> (String, Vec<Answer>) {
        let mut last = (String::new(), Vec::new());
        for provider in self.context.rpc.ranked() {
            let answers = provider.call_all(calls.clone()).await;
            let elsewhere = |answer: &Answer| {
                answer.as_ref().is_err_and(|fault| matches!(classify(fault), Class::NotSent | Class::Endpoint))
            };
            let failed = answers.iter().all(elsewhere);
            if !failed {
                if again {
                    self.spread(provider.label(), &calls).await;
                }
                return (provider.label().to_owned(), answers);
            }
            last = (provider.label().to_owned(), answers);
        }
        last
    }

    async fn spread(&self, accepted_by: &str, calls: &[Call]) {
        for provider in self.context.rpc.ranked() {
            if provider.label() != accepted_by && provider.health().retry_at().is_none() {
                provider.call_all(calls.to_vec()).await;
            }
        }
    }

    /// Notes what an answer means; `kept`: that the node had it already. `true`: it says something new.
    fn digest(&mut self, send_id: Uuid, attempt_id: Uuid, class: &Class, text: &str, kept: bool) -> bool {
        let again = self.context.config.rebroadcast_after();
        match class {
            // Somebody took the nonce: look at the receipts again, whatever the head is.
            Class::NonceTooLow => self.tracked = None,
            Class::NonceTooHigh => self.hurry_before(send_id),
            Class::PoolFull => self.window = (self.window / 2).max(1),
            Class::Malformed => tracing::error!(signer = %self.signer, "node refuses the request: {text}"),
            Class::Rejected => tracing::error!(signer = %self.signer, "node refuses the transaction: {text}"),
            _ => {}
        }
        let Some(send) = self.send_mut(send_id) else { return false };
        let Some(attempt) = send.attempts.iter_mut().find(|attempt| attempt.id == attempt_id) else { return false };
        let retry = backoff::delay(attempt.tries, Duration::from_millis(200), again);
        let (status, pause) = match class {
            Class::Known => (AttemptStatus::Accepted, again),
            Class::ReplacementUnderpriced | Class::Underpriced => (AttemptStatus::Underpriced, again),
            Class::Rejected => (AttemptStatus::Rejected, again),
            Class::Throttled(after) => (AttemptStatus::Open, retry.max(after.unwrap_or_default())),
            Class::Malformed => (AttemptStatus::Open, MALFORMED),
            Class::InsufficientFunds => (AttemptStatus::Open, super::REST),
            Class::NotSent
            | Class::Unknown
            | Class::Endpoint
            | Class::NonceTooLow
            | Class::NonceTooHigh
            | Class::Reverted(_)
            | Class::PoolFull => (AttemptStatus::Open, retry),
        };
        attempt.tries = if status == AttemptStatus::Accepted { 0 } else { attempt.tries.saturating_add(1) };
        attempt.kept_at = kept.then(Instant::now);
        attempt.status = status;
        attempt.due = Instant::now() + pause;
        let news = attempt.answer.as_deref() != Some(text);
        attempt.answer = Some(text.to_owned());
        news
    }

    /// A node that lacks predecessors gets them again.
    fn hurry_before(&mut self, send_id: Uuid) {
        let now = Instant::now();
        for send in self.sends.iter_mut().take_while(|send| send.id != send_id).filter(|send| send.mined.is_none()) {
            if let Some(attempt) = send.attempts.last_mut() {
                attempt.due = now;
            }
        }
    }

    async fn write_answers(&self, provider: &str, outcomes: Vec<(Uuid, Uuid, String)>) -> Result<(), Error> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let now = Utc::now();
        let mut tx = self.context.begin().await?;
        let rows = outcomes
            .iter()
            .map(|(_, attempt, text)| vec![(*attempt).into(), now.into(), provider.into(), text.as_str().into()]);
        update_from(
            &tx,
            "UPDATE chain_attempts SET broadcast_at = v.column2, provider = v.column3, answer = v.column4",
            "WHERE chain_attempts.id = v.column1",
            rows.collect(),
        )
        .await?;
        let mut facts = Vec::new();
        for (send_id, attempt_id, answer) in outcomes {
            let Some(send) = self.sends.iter().find(|send| send.id == send_id) else { continue };
            let Some(attempt) = send.attempts.iter().find(|attempt| attempt.id == attempt_id) else { continue };
            facts.extend(send.subject_kinds().map(|(subject_id, kind)| Fact::Broadcast {
                subject_id,
                kind,
                hash: attempt.hash,
                provider: provider.to_owned(),
                answer: answer.clone(),
            }));
        }
        self.context.record(&mut tx, facts).await?;
        fail::fail_point!("broadcast.before_commit");
        Ok(tx.commit().await?)
    }
}

fn label(class: &Class) -> &'static str {
    match class {
        Class::NotSent => "not_sent",
        Class::Unknown => "unknown",
        Class::Throttled(_) => "throttled",
        Class::Endpoint => "endpoint",
        Class::Known => "accepted",
        Class::NonceTooLow => "nonce_too_low",
        Class::NonceTooHigh => "nonce_too_high",
        Class::ReplacementUnderpriced => "replacement_underpriced",
        Class::Underpriced => "underpriced",
        Class::InsufficientFunds => "insufficient_funds",
        Class::Reverted(_) => "reverted",
        Class::PoolFull => "pool_full",
        Class::Rejected => "rejected",
        Class::Malformed => "malformed",
    }
}
