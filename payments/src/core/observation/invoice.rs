//! What a Lightning invoice does to its payment, as its node reports it.

use entities::PaymentStatus;
use serde_json::{Value, json};

use super::{Outcome, Subject, failure};
use crate::{caller::Actor, transition::Trigger};

impl Subject {
    /// Nothing has to be requested before the payer may pay but the invoice itself, whose row says how far that is.
    pub(super) fn invoice_wanted(&mut self, data: Value, actor: &Actor) -> Outcome {
        self.clear_failure();
        self.try_move(Trigger::Opened, "An invoice was asked for", data, actor).unwrap_or(Outcome::Unchanged)
    }

    pub(super) fn invoice_refused(&mut self, code: String, message: String, actor: &Actor) -> Outcome {
        let data = failure(&code, &message, false);
        if self.payment.status == PaymentStatus::Open {
            self.fail_with(code, message, false);
        }
        self.try_move(Trigger::Closed, "The node will not make the invoice", data, actor).unwrap_or(Outcome::Unchanged)
    }

    /// The money is the payee's at once: no one holds it who would have to release it. Money that comes after the invoice
    /// was given up is kept all the same, and reviewed by an operator.
    pub(super) fn invoice_settled(&mut self, data: Value, actor: &Actor) -> Outcome {
        if matches!(self.payment.status, PaymentStatus::Open | PaymentStatus::Submitted | PaymentStatus::Paid) {
            self.clear_failure();
        }
        if self.payment.status == PaymentStatus::Open {
            self.try_move(Trigger::PaymentSeen, "The invoice was paid", data.clone(), actor);
        }
        let outcome =
            self.move_or_note(Trigger::PaymentFinal, "invoice.settled", "The node has the money", data, actor);
        if self.payment.status != PaymentStatus::Paid {
            return outcome;
        }
        let message = "The payee has the money already";
        self.try_move(Trigger::Released, message, json!({}), actor).unwrap_or(outcome)
    }
}

#[cfg(test)]
mod tests {
    use entities::PaymentMethod;

    use super::*;
    use crate::{observation::Observation, samples};

    fn after(status: PaymentStatus, what: Observation) -> (Outcome, Subject) {
        let mut subject = samples::subject(PaymentMethod::Lightning, status);
        let outcome = subject.apply(what, &Actor::worker("ask_invoice").into());
        (outcome, subject)
    }

    #[test]
    fn a_settled_invoice_is_the_payees_money_at_once() {
        let settled = || Observation::InvoiceSettled { data: json!({ "received_sat": 7 }) };
        let (outcome, subject) = after(PaymentStatus::Open, settled());
        assert_eq!(outcome, Outcome::Moved(PaymentStatus::Completed));
        let announced: Vec<_> = subject.logs.iter().map(|log| log.event_type).collect();
        assert_eq!(announced, ["payment.submitted", "payment.paid", "payment.completed"]);
        for status in [PaymentStatus::Canceled, PaymentStatus::Expired] {
            assert_eq!(after(status, settled()).0, Outcome::Moved(PaymentStatus::NeedsReview), "{status}: found money");
        }
        assert_eq!(after(PaymentStatus::Completed, settled()).0, Outcome::Noted);
    }

    #[test]
    fn a_refused_invoice_ends_its_payment_with_the_reason() {
        let refused = || Observation::InvoiceRefused { code: "amount".to_owned(), message: "too small".to_owned() };
        let (outcome, subject) = after(PaymentStatus::Open, refused());
        assert_eq!(outcome, Outcome::Moved(PaymentStatus::Canceled));
        assert_eq!(subject.payment.failure_message.as_deref(), Some("too small"));
        let (outcome, subject) = after(PaymentStatus::Completed, refused());
        assert_eq!((outcome, subject.payment.failure_code), (Outcome::Unchanged, None));
    }

    #[test]
    fn an_invoice_that_was_requested_may_be_paid() {
        let wanted = || Observation::InvoiceWanted { data: json!({}) };
        assert_eq!(after(PaymentStatus::Pending, wanted()).0, Outcome::Moved(PaymentStatus::Open));
        assert_eq!(after(PaymentStatus::Open, wanted()).0, Outcome::Unchanged);
    }
}
