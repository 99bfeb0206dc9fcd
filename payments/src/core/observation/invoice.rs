//! What follows from what a Lightning node tells of an invoice.

use entities::PaymentStatus;
use serde_json::{Value, json};

use super::{Outcome, Subject, failure};
use crate::{caller::Actor, transition::Trigger};

impl Subject {
    /// Nothing has to be asked before the payer may pay but the invoice itself, whose row tells how far that is.
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

    /// The money is the payee's at once: no one holds it who would have to release it. After the invoice was given up it
    /// is found money all the same, which somebody has to look at.
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
