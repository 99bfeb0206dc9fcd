//! What an operator's verdict does to a payment.

use entities::PaymentStatus;
use queue::NewMessage;
use serde_json::json;

use super::{Outcome, Subject, event_type};
use crate::{
    caller::Actor,
    jobs::ReleaseDeal,
    verdict::{VERDICT, Verdict},
};

impl Subject {
    /// The one move that no rule holds. What the state needs is requested again: in review it may have been lost.
    pub(super) fn resolved(&mut self, verdict: Verdict, actor: &Actor) -> Outcome {
        if self.payment.status != PaymentStatus::NeedsReview {
            return Outcome::Unchanged;
        }
        let Verdict { to, shown, reason } = verdict;
        self.clear_failure();
        if self.settled_by.is_none() {
            self.payment.duplicate_of = None;
        }
        match to {
            PaymentStatus::Paid if self.payment.release_requested_at.is_some() => {
                self.send(NewMessage::of(&ReleaseDeal { payment_id: self.payment.id }));
            }
            // `sending_since` stays: what was sent may still be on its way, so a cancel has to go through the chain.
            PaymentStatus::Pending | PaymentStatus::Open | PaymentStatus::Submitted => {
                (self.payment.resends, self.payment.release_requested_at) = (0, None);
            }
            PaymentStatus::Failed => self.fail_with(VERDICT.to_owned(), reason.clone(), true),
            PaymentStatus::Paid
            | PaymentStatus::Completed
            | PaymentStatus::Canceling
            | PaymentStatus::Canceled
            | PaymentStatus::Expired
            | PaymentStatus::Rejected
            | PaymentStatus::Refunded
            | PaymentStatus::NeedsReview => {}
        }
        let data = json!({ "trigger": VERDICT, "reason": reason, "shown": shown });
        self.move_to(to, event_type(to), "An operator has decided", data, actor)
    }
}
