//! What is requested or observed about a payment, with its details, and what it does to the payment. Pure: no database here.

mod announcement;
pub(crate) mod at_till;
mod cancel;
mod closing;
mod debt;
mod gateway;
mod invoice;
pub(crate) mod refund;
mod resolved;
#[cfg(test)]
mod tests;
pub(crate) mod transfer;

pub(crate) use self::announcement::with_context;
pub use self::{announcement::event_type, closing::Closing, gateway::AtGateway, refund::RefundUpdate};

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{PaymentId, PaymentStatus, payment};
use queue::NewMessage;
use serde_json::{Value, json};

use crate::{
    caller::{Actor, RequestedBy},
    deal,
    jobs::{CancelDeal, ExpirePayment, OpenDeal, ReleaseDeal},
    log::NewLog,
    method::Capabilities,
    rail::Lost,
    transition::{self, Trigger},
    verdict::Verdict,
};

/// The event of something that is no longer on the chain; its data names what was lost.
pub(crate) const REVERTED: &str = "payment.reverted";

/// What is requested or observed.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the facts that the variants name")]
pub enum Observation {
    /// Something worth a log row that changes nothing.
    Trace { event_type: &'static str, message: String, data: Value },
    /// The deal was requested of the chain: from now on a cancel has to go through the chain.
    SendingStarted { diamond_address: String },
    /// The deal is final on chain.
    DealOpened { deal_id: String, transaction_hash: Option<String> },
    /// Opening the deal definitely failed; `retryable` when sending the same again may succeed.
    SendFailed { code: String, message: String, retryable: bool },
    /// Closing the deal definitely failed; it is tried again.
    CancelFailed { code: String, message: String },
    /// Releasing the deal definitely failed; it may be requested again.
    ReleaseFailed { code: String, message: String },
    /// A deposit is in a block that is not final yet.
    DepositSeen { data: Value },
    /// That block is gone.
    DepositGone { data: Value },
    /// The deposit is final.
    DepositFinal { data: Value },
    /// The deposit went to the payee.
    Released { transaction_hash: Option<String> },
    /// The deal is closed.
    DealCanceled { deposit: Closing, transaction_hash: Option<String> },
    /// The payer has taken what was kept for them.
    ReturnWithdrawn { at: DateTime<Utc>, data: Value },
    /// What had been final is no longer on the chain.
    FinalityBroken { lost: Lost, data: Value },
    /// Nobody knows whether the rail has it, and no further check will tell soon; the data is the evidence.
    OutcomeUnknown { data: Value },
    /// A cancel is requested.
    CancelRequested,
    /// The order that it would pay was paid by this other payment.
    OrderPaid { by: PaymentId },
    /// The deal was never requested of the chain, or the request was taken back before anything was sent.
    NothingSent,
    /// A resend is requested.
    RetryRequested,
    /// A release is requested.
    ReleaseRequested,
    /// The bank transfer was accepted: nothing is requested of its rail, the payer may pay.
    TransferAccepted,
    /// The payer, or somebody for them, has reported a receipt of a transfer.
    ReceiptReported { data: Value },
    /// A person has found the money at the bank.
    ReceiptConfirmed { data: Value },
    /// A person has not found the money at the bank, or not all of it.
    ReceiptRejected { data: Value },
    /// The last receipt that was confirmed is rejected after all: nothing vouches for the transfer any more.
    TransferLost { data: Value },
    /// An invoice of the Lightning network was requested; the data holds its amount.
    InvoiceWanted { data: Value },
    /// The node will not make the invoice.
    InvoiceRefused { code: String, message: String },
    /// The node has the money of the invoice.
    InvoiceSettled { data: Value },
    /// Something was requested of a gateway, or the gateway reports something.
    Gateway(AtGateway),
    /// A till has written down a payment that it holds the money of.
    TakenAtTill,
    /// A till has corrected the payment; the data holds what it was before and is now.
    Corrected { data: Value },
    /// A till has taken the payment back: it was written down by mistake.
    Voided { data: Value },
    /// A refund was requested, or has ended.
    Refund(RefundUpdate),
    /// The time to pay is over and the chain holds no deposit.
    Expired,
    /// The time to pay is over, and what was to be sent was taken back before it was.
    NeverSent,
    /// An operator has decided, see [`crate::verdict`].
    Resolved(Verdict),
}

/// What an observation did to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It moved to this state.
    Moved(PaymentStatus),
    /// Something was written, but the state stayed.
    Noted,
    /// Nothing: it had happened already, or came too late to matter.
    Unchanged,
}

/// A payment on its way through one or more observations, and what has to be written for them.
pub(crate) struct Subject {
    pub(crate) payment: payment::Model,
    pub(crate) logs: Vec<NewLog>,
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) changed: bool,
    pub(crate) request_id: Option<String>,
    /// The other payment that has settled the debt, see [`crate::debt::Debts`].
    pub(crate) settled_by: Option<PaymentId>,
    now: DateTime<Utc>,
}

impl Subject {
    /// What the payment's method allows.
    fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.payment.payment_method)
    }

    pub(crate) fn new(payment: payment::Model, now: DateTime<Utc>) -> Self {
        Self {
            payment,
            logs: Vec::new(),
            messages: Vec::new(),
            changed: false,
            request_id: None,
            settled_by: None,
            now,
        }
    }

    /// Applies one observation.
    pub(crate) fn apply(&mut self, observation: Observation, requested_by: &RequestedBy) -> Outcome {
        self.request_id.clone_from(&requested_by.request_id);
        let actor = &requested_by.actor;
        match observation {
            Observation::Trace { event_type, message, data } => self.note(event_type, &message, data, actor),
            Observation::SendingStarted { diamond_address } => self.sending_started(diamond_address, actor),
            Observation::DealOpened { deal_id, transaction_hash } => self.deal_opened(deal_id, transaction_hash, actor),
            Observation::SendFailed { code, message, retryable } => self.send_failed(code, message, retryable, actor),
            Observation::CancelFailed { code, message } => self.cancel_failed(code, message, actor),
            Observation::ReleaseFailed { code, message } => self.release_failed(code, message, actor),
            Observation::DepositSeen { data } => {
                self.move_or_note(Trigger::PaymentSeen, "deposit.seen", "A deposit is seen, not final yet", data, actor)
            }
            Observation::DepositGone { data } => {
                self.move_or_note(Trigger::PaymentGone, "deposit.gone", "The deposit's block is gone", data, actor)
            }
            Observation::DepositFinal { data } => self.deposit_final(data, actor),
            Observation::Released { transaction_hash } => {
                let data = json!({ "transaction_hash": transaction_hash });
                self.clear_failure();
                self.move_or_note(Trigger::Released, "deal.released", "The deposit went to the payee", data, actor)
            }
            Observation::DealCanceled { deposit, transaction_hash } => {
                self.deal_canceled(deposit, transaction_hash, actor)
            }
            Observation::ReturnWithdrawn { at, data } => self.return_withdrawn(at, data, actor),
            Observation::FinalityBroken { lost, data } => self.finality_broken(lost, data, actor),
            Observation::OutcomeUnknown { data } => {
                let message = "Nobody knows what became of it; somebody has to look";
                self.move_or_note(Trigger::OutcomeUnknown, "outcome.unknown", message, data, actor)
            }
            Observation::CancelRequested => self.cancel("A cancel was asked for", json!({}), actor),
            Observation::OrderPaid { by } => self.order_paid(by, actor),
            Observation::NothingSent => self.nothing_sent(actor),
            Observation::RetryRequested => self.retry_requested(actor),
            Observation::ReleaseRequested => self.release_requested(actor),
            Observation::TransferAccepted => self.transfer_accepted(actor),
            Observation::ReceiptReported { data } => self.receipt_reported(data, actor),
            Observation::ReceiptConfirmed { data } => self.receipt_confirmed(data, actor),
            Observation::ReceiptRejected { data } => self.receipt_rejected(data, actor),
            Observation::TransferLost { data } => self.transfer_lost(data, actor),
            Observation::InvoiceWanted { data } => self.invoice_wanted(data, actor),
            Observation::InvoiceRefused { code, message } => self.invoice_refused(code, message, actor),
            Observation::InvoiceSettled { data } => self.invoice_settled(data, actor),
            Observation::Gateway(what) => self.at_gateway(what, actor),
            Observation::TakenAtTill => self.taken_at_till(actor),
            Observation::Corrected { data } => self.corrected(data, actor),
            Observation::Voided { data } => self.voided(data, actor),
            Observation::Refund(update) => self.refund(update, actor),
            Observation::Expired => {
                self.try_move(Trigger::Expired, "Nobody paid in time", json!({}), actor).unwrap_or(Outcome::Unchanged)
            }
            Observation::NeverSent => {
                let message = "Its time is over before anything of it could be sent";
                self.try_move(Trigger::NeverSent, message, json!({}), actor).unwrap_or(Outcome::Unchanged)
            }
            Observation::Resolved(verdict) => self.resolved(verdict, actor),
        }
    }

    fn sending_started(&mut self, diamond_address: String, actor: &Actor) -> Outcome {
        let data = json!({ "diamond_address": diamond_address });
        self.payment.sending_since = Some(self.now);
        self.payment.diamond_address = Some(diamond_address);
        self.note("deal.requested", "The deal was handed to the sender", data, actor)
    }

    fn deal_opened(&mut self, deal_id: String, transaction_hash: Option<String>, actor: &Actor) -> Outcome {
        if self.payment.deal_id.is_some() {
            return Outcome::Unchanged;
        }
        let diamond_address = &self.payment.diamond_address;
        let data = json!({ "deal_id": deal::number(&deal_id), "diamond_address": diamond_address,
            "transaction_hash": transaction_hash });
        self.payment.deal_id = Some(deal_id);
        self.payment.transaction_hash = transaction_hash;
        self.clear_failure();
        if self.payment.status == PaymentStatus::Canceling {
            self.send(NewMessage::of(&CancelDeal { payment_id: self.payment.id }));
        }
        self.move_or_note(Trigger::Opened, "deal.opened", "The deal is final on chain", data, actor)
    }

    fn send_failed(&mut self, code: String, message: String, retryable: bool, actor: &Actor) -> Outcome {
        let payment = &self.payment;
        let resend = payment.status == PaymentStatus::Pending
            && retryable
            && payment.retry
            && payment.resends < payment.retry_count
            && payment.expires_at > self.now;
        let mut data = failure(&code, &message, retryable);
        // A failure that comes when the payment has gone on says nothing about where it is now.
        if matches!(payment.status, PaymentStatus::Pending | PaymentStatus::Canceling) {
            self.fail_with(code, message, retryable);
        }
        if !resend {
            return self.move_or_note(Trigger::SendFailed, "send.failed", "Opening the deal failed", data, actor);
        }
        let delay = resend_delay(self.payment.resends);
        self.payment.resends += 1;
        // Nothing is on its way until the resend, so a cancel needs no chain.
        self.payment.sending_since = None;
        self.send(NewMessage::of(&OpenDeal { payment_id: self.payment.id }).due_at(self.now + delay));
        data["resend"] = json!(self.payment.resends);
        data["in_seconds"] = json!(delay.num_seconds());
        self.note("send.failed", "Opening the deal failed; it is sent again", data, actor)
    }

    fn cancel_failed(&mut self, code: String, message: String, actor: &Actor) -> Outcome {
        let data = failure(&code, &message, true);
        if !matches!(self.payment.status, PaymentStatus::Canceling | PaymentStatus::Expired) {
            return self.note("cancel.failed", "Closing the deal failed", data, actor);
        }
        self.fail_with(code, message, true);
        let delay = resend_delay(self.payment.resends);
        self.payment.resends = self.payment.resends.saturating_add(1);
        self.send(NewMessage::of(&CancelDeal { payment_id: self.payment.id }).due_at(self.now + delay));
        self.note("cancel.failed", "Closing the deal failed; it is sent again", data, actor)
    }

    fn release_failed(&mut self, code: String, message: String, actor: &Actor) -> Outcome {
        let data = failure(&code, &message, true);
        self.payment.release_requested_at = None;
        if self.payment.status == PaymentStatus::Paid {
            self.fail_with(code, message, true);
        }
        self.note("release.failed", "The deposit could not be released", data, actor)
    }

    /// Each loss is an event of its own, numbered like a transition, so that no consumer of events keeps what is no longer
    /// true; the review is the next one.
    fn finality_broken(&mut self, lost: Lost, mut data: Value, actor: &Actor) -> Outcome {
        data["lost"] = json!(lost.word());
        if lost == Lost::DealCanceled {
            self.forget_held_return();
        }
        let message = "What had been final is no longer on the chain";
        let mut reversal = data.clone();
        reversal["trigger"] = json!(Trigger::FinalityBroken);
        self.announce(REVERTED, message, reversal, actor);
        let outcome = self.try_move(Trigger::FinalityBroken, message, data, actor).unwrap_or(Outcome::Noted);
        if lost == Lost::DealCreated && self.payment.status == PaymentStatus::NeedsReview {
            // There is no deal until one is opened again, which is then announced as the first one was.
            (self.payment.deal_id, self.payment.transaction_hash) = (None, None);
        }
        outcome
    }

    /// An event that is numbered like a transition although the state stays.
    fn announce(&mut self, event_type: &'static str, message: &str, mut data: Value, actor: &Actor) {
        data["from"] = json!(self.payment.status);
        data["to"] = json!(self.payment.status);
        self.payment.sequence += 1;
        self.push_log(Some(self.payment.sequence), event_type, message, data, actor);
        self.changed = true;
    }

    fn deposit_final(&mut self, data: Value, actor: &Actor) -> Outcome {
        if self.payment.status == PaymentStatus::Open {
            // The block was final when it was read for the first time.
            self.try_move(Trigger::PaymentSeen, "A deposit is seen", data.clone(), actor);
        }
        self.move_or_note(Trigger::PaymentFinal, "deposit.final", "The deposit is final", data, actor)
    }

    fn retry_requested(&mut self, actor: &Actor) -> Outcome {
        if self.payment.status == PaymentStatus::Pending {
            // The job checks by itself whether there is anything left to do.
            self.send(NewMessage::of(&OpenDeal { payment_id: self.payment.id }));
            return self.note("resend.requested", "A resend was asked for", json!({}), actor);
        }
        let sent = self.payment.status != PaymentStatus::Failed || self.payment.deal_id.is_some();
        if sent || self.settled_by.is_some() {
            return Outcome::Unchanged;
        }
        self.clear_failure();
        self.payment.resends = 0;
        self.payment.sending_since = None;
        self.try_move(Trigger::RetryRequested, "A resend was asked for", json!({}), actor).unwrap_or(Outcome::Unchanged)
    }

    fn release_requested(&mut self, actor: &Actor) -> Outcome {
        if self.payment.status != PaymentStatus::Paid || self.payment.release_requested_at.is_some() {
            return Outcome::Unchanged;
        }
        if !self.capabilities().on_chain {
            // The money went into the payee's own account: nobody holds it who would have to hand it over.
            let message = "The payee has the money already";
            return self.try_move(Trigger::Released, message, json!({}), actor).unwrap_or(Outcome::Unchanged);
        }
        self.payment.release_requested_at = Some(self.now);
        self.clear_failure();
        self.send(NewMessage::of(&ReleaseDeal { payment_id: self.payment.id }));
        self.note("release.requested", "A release was asked for", json!({}), actor)
    }

    fn move_or_note(
        &mut self,
        trigger: Trigger,
        event_type: &'static str,
        message: &str,
        data: Value,
        actor: &Actor,
    ) -> Outcome {
        match self.try_move(trigger, message, data.clone(), actor) {
            Some(outcome) => outcome,
            None => {
                let mut data = data;
                data["trigger"] = json!(trigger);
                self.note(event_type, message, data, actor)
            }
        }
    }

    fn try_move(&mut self, trigger: Trigger, message: &str, mut data: Value, actor: &Actor) -> Option<Outcome> {
        if let Some(by) = self.paid_twice(trigger) {
            return Some(self.duplicate(by, data, actor));
        }
        let to = transition::next(self.payment.status, trigger)?;
        data["trigger"] = json!(trigger);
        let event_type = if trigger == Trigger::PaymentGone { REVERTED } else { event_type(to) };
        Some(self.move_to(to, event_type, message, data, actor))
    }

    fn move_to(
        &mut self,
        to: PaymentStatus,
        event_type: &'static str,
        message: &str,
        mut data: Value,
        actor: &Actor,
    ) -> Outcome {
        data["from"] = json!(self.payment.status);
        data["to"] = json!(to);
        self.payment.status = to;
        self.payment.sequence += 1;
        self.push_log(Some(self.payment.sequence), event_type, message, data, actor);
        self.changed = true;
        self.follow_up(to);
        Outcome::Moved(to)
    }

    /// Enqueues the messages of the jobs that have work to do in this state.
    fn follow_up(&mut self, to: PaymentStatus) {
        let payment_id = self.payment.id;
        let rail = self.capabilities();
        if rail.at_gateway {
            return self.follow_up_at_gateway(to, self.payment.expires_at);
        }
        if !rail.on_chain {
            // A transfer has no rail that answers; all that may happen by itself is that nobody makes it in time.
            if rail.reported && to == PaymentStatus::Open {
                self.send(NewMessage::of(&ExpirePayment { payment_id }).due_at(self.payment.expires_at));
            }
            return;
        }
        match to {
            PaymentStatus::Pending => self.send(NewMessage::of(&OpenDeal { payment_id })),
            PaymentStatus::Open => {
                self.send(NewMessage::of(&ExpirePayment { payment_id }).due_at(self.payment.expires_at));
            }
            PaymentStatus::Canceling | PaymentStatus::Expired => self.send(NewMessage::of(&CancelDeal { payment_id })),
            PaymentStatus::Submitted
            | PaymentStatus::Paid
            | PaymentStatus::Completed
            | PaymentStatus::Canceled
            | PaymentStatus::Failed
            | PaymentStatus::Rejected
            | PaymentStatus::Refunded
            | PaymentStatus::NeedsReview => {}
        }
    }

    fn note(&mut self, event_type: &'static str, message: &str, data: Value, actor: &Actor) -> Outcome {
        self.push_log(None, event_type, message, data, actor);
        self.changed = true;
        Outcome::Noted
    }

    fn push_log(
        &mut self,
        sequence: Option<i32>,
        event_type: &'static str,
        message: &str,
        mut data: Value,
        actor: &Actor,
    ) {
        if let Some(request_id) = &self.request_id {
            data["request_id"] = json!(request_id);
        }
        let (payment_id, message, actor) = (self.payment.id, message.to_owned(), actor.clone());
        self.logs.push(NewLog { payment_id, sequence, event_type, message, actor, data });
    }

    fn send(&mut self, message: NewMessage) {
        self.messages.push(with_context(message, &self.payment, self.request_id.as_deref()));
    }

    fn fail_with(&mut self, code: String, message: String, retryable: bool) {
        self.payment.failure_code = Some(code);
        self.payment.failure_message = Some(message);
        self.payment.failure_retryable = Some(retryable);
    }

    fn clear_failure(&mut self) {
        self.payment.failure_code = None;
        self.payment.failure_message = None;
        self.payment.failure_retryable = None;
    }
}

/// The data of a log row that names a failure.
fn failure(code: &str, message: &str, retryable: bool) -> Value {
    json!({ "code": code, "message": message, "retryable": retryable })
}

/// Up to 2, 4, 8 … seconds, five minutes at most.
fn resend_delay(resends: i32) -> TimeDelta {
    let before = u32::try_from(resends).unwrap_or(0);
    let delay = queue::backoff::delay(before, Duration::from_secs(2), Duration::from_secs(300));
    TimeDelta::from_std(delay).unwrap_or_default()
}
