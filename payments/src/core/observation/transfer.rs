//! What receipts of a bank transfer, and verdicts on them, do to its payment.

use entities::PaymentStatus;
use serde_json::{Value, json};

use super::{Outcome, REVERTED, Subject};
use crate::{caller::Actor, rail::Lost, transition::Trigger};

/// Events of a receipt, each before that of what it does to the payment. A receipt may do nothing to it: a second one is
/// announced all the same.
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
        self.announce(RECEIPT_REPORTED, message, data.clone(), actor);
        self.try_move(Trigger::PaymentSeen, message, data, actor).unwrap_or(Outcome::Noted)
    }

    pub(super) fn receipt_confirmed(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The receipt was confirmed";
        self.announce(RECEIPT_CONFIRMED, message, data.clone(), actor);
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
        self.announce(RECEIPT_REJECTED, message, data.clone(), actor);
        self.try_move(Trigger::EvidenceRejected, message, data, actor).unwrap_or(Outcome::Noted)
    }

    /// The last confirmation was taken back: what was announced as paid is not.
    pub(super) fn transfer_lost(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The bank does not have the transfer after all";
        let mut reversal = data.clone();
        reversal["lost"] = json!(Lost::Transfer.word());
        reversal["trigger"] = json!(Trigger::EvidenceWithdrawn);
        self.announce(REVERTED, message, reversal, actor);
        self.try_move(Trigger::EvidenceWithdrawn, message, data, actor).unwrap_or(Outcome::Noted)
    }
}

#[cfg(test)]
mod tests {
    use entities::PaymentMethod;

    use super::*;
    use crate::{observation::Observation, samples};

    fn after(status: PaymentStatus, what: Observation) -> (Outcome, Vec<&'static str>) {
        let mut subject = samples::subject(PaymentMethod::BankTransfer, status);
        let outcome = subject.apply(what, &Actor::payer().into());
        (outcome, subject.logs.iter().map(|log| log.event_type).collect())
    }

    #[test]
    fn a_receipt_is_announced_whatever_it_does_to_the_payment() {
        let reported = || Observation::ReceiptReported { data: json!({}) };
        let first = after(PaymentStatus::Open, reported());
        assert_eq!(first, (Outcome::Moved(PaymentStatus::Submitted), vec![RECEIPT_REPORTED, "payment.submitted"]));
        assert_eq!(after(PaymentStatus::Submitted, reported()), (Outcome::Noted, vec![RECEIPT_REPORTED]));
        let rejected = || Observation::ReceiptRejected { data: json!({}) };
        let announced = vec![RECEIPT_REJECTED, "payment.rejected"];
        assert_eq!(after(PaymentStatus::Submitted, rejected()), (Outcome::Moved(PaymentStatus::Rejected), announced));
        assert_eq!(after(PaymentStatus::Paid, rejected()), (Outcome::Noted, vec![RECEIPT_REJECTED]));
    }

    #[test]
    fn a_confirmed_receipt_pays_whatever_was_said_of_it_before() {
        let confirmed = || Observation::ReceiptConfirmed { data: json!({}) };
        for status in [PaymentStatus::Open, PaymentStatus::Submitted, PaymentStatus::Rejected] {
            assert_eq!(after(status, confirmed()).0, Outcome::Moved(PaymentStatus::Paid), "{status}");
        }
        for status in [PaymentStatus::Failed, PaymentStatus::Canceled, PaymentStatus::Expired] {
            assert_eq!(after(status, confirmed()).0, Outcome::Moved(PaymentStatus::NeedsReview), "{status}");
        }
        let evidence = after(PaymentStatus::NeedsReview, confirmed());
        assert_eq!(evidence, (Outcome::Noted, vec![RECEIPT_CONFIRMED, "transfer.final"]), "it waits for the verdict");
    }

    #[test]
    fn a_confirmation_that_is_taken_back_is_announced_as_a_reversal() {
        let lost = || Observation::TransferLost { data: json!({}) };
        let announced = vec![REVERTED, "payment.rejected"];
        assert_eq!(after(PaymentStatus::Paid, lost()), (Outcome::Moved(PaymentStatus::Rejected), announced));
        assert_eq!(after(PaymentStatus::NeedsReview, lost()), (Outcome::Noted, vec![REVERTED]));
    }

    #[test]
    fn an_accepted_transfer_may_be_made() {
        let accepted = after(PaymentStatus::Pending, Observation::TransferAccepted);
        assert_eq!(accepted, (Outcome::Moved(PaymentStatus::Open), vec!["payment.open"]));
        assert_eq!(after(PaymentStatus::Open, Observation::TransferAccepted), (Outcome::Unchanged, vec![]));
    }
}
