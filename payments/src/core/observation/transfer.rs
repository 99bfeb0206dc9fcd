//! What follows from what is seen of a bank transfer.

use entities::PaymentStatus;
use serde_json::{Value, json};

use super::{Outcome, REVERTED, Subject};
use crate::{caller::Actor, rail::Lost, transition::Trigger};

/// Events of a receipt, each before that of what it does to the payment. A receipt may do nothing to it: a second one is
/// told all the same.
pub(crate) const RECEIPT_REPORTED: &str = "receipt.reported";
pub(crate) const RECEIPT_CONFIRMED: &str = "receipt.confirmed";
pub(crate) const RECEIPT_REJECTED: &str = "receipt.rejected";

impl Subject {
    pub(super) fn transfer_accepted(&mut self, actor: &Actor) -> Outcome {
        self.clear_failure();
        let message = "The transfer was accepted and may be made";
        self.try_move(Trigger::Opened, message, json!({}), actor).unwrap_or(Outcome::Unchanged)
    }

    pub(super) fn receipt_reported(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "A receipt was reported";
        self.tell(RECEIPT_REPORTED, message, data.clone(), actor);
        self.try_move(Trigger::PaymentSeen, message, data, actor).unwrap_or(Outcome::Noted)
    }

    pub(super) fn receipt_confirmed(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The receipt was confirmed";
        self.tell(RECEIPT_CONFIRMED, message, data.clone(), actor);
        if self.payment.status == PaymentStatus::NeedsReview {
            // It moves nothing there, and is evidence for the operator's verdict.
            return self.move_or_note(Trigger::PaymentFinal, "transfer.final", message, data, actor);
        }
        if matches!(self.payment.status, PaymentStatus::Open | PaymentStatus::Rejected) {
            // What was rejected, or taken back, stands after all.
            self.try_move(Trigger::PaymentSeen, "The receipt stands", data.clone(), actor);
        }
        self.try_move(Trigger::PaymentFinal, message, data, actor).unwrap_or(Outcome::Noted)
    }

    pub(super) fn receipt_rejected(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The receipt was rejected";
        self.tell(RECEIPT_REJECTED, message, data.clone(), actor);
        self.try_move(Trigger::EvidenceRejected, message, data, actor).unwrap_or(Outcome::Noted)
    }

    /// The last confirmation was taken back: what was told as paid is not.
    pub(super) fn transfer_lost(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The bank does not have the transfer after all";
        let mut reversal = data.clone();
        reversal["lost"] = json!(Lost::Transfer.word());
        reversal["trigger"] = json!(Trigger::EvidenceWithdrawn);
        self.tell(REVERTED, message, reversal, actor);
        self.try_move(Trigger::EvidenceWithdrawn, message, data, actor).unwrap_or(Outcome::Noted)
    }
}
