//! What follows for a payment from the other payments of its order.

use entities::{PaymentId, PaymentMethod, PaymentStatus};
use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// The event of money that came although the debt was settled: numbered like a transition, in the status before.
pub(crate) const DUPLICATE: &str = "payment.duplicate";

impl Subject {
    /// The order was paid by another payment: nobody can pay this one any more.
    pub(super) fn order_paid(&mut self, by: PaymentId, actor: &Actor) -> Outcome {
        // A receipt waits for its verdict whatever else was paid: whoever looks at the bank says what is there.
        let reported = self.payment.payment_method == PaymentMethod::BankTransfer
            && self.payment.status == PaymentStatus::Submitted;
        let payable =
            matches!(self.payment.status, PaymentStatus::Pending | PaymentStatus::Open | PaymentStatus::Submitted);
        if reported || !payable {
            return Outcome::Unchanged;
        }
        self.cancel("The order was paid by another payment", json!({ "paid_by": by }), actor)
    }

    /// The payment that had settled the debt, if this tells of money that came all the same and was not told of yet.
    pub(super) fn paid_twice(&self, trigger: Trigger) -> Option<PaymentId> {
        use PaymentStatus::{Canceling, Completed, NeedsReview, Paid, Refunded};
        let payment = &self.payment;
        let told = payment.duplicate_of.is_some() && matches!(payment.status, NeedsReview | Canceling);
        let has_it = matches!(payment.status, Paid | Completed | Refunded);
        let money = matches!(trigger, Trigger::PaymentFinal | Trigger::Released);
        self.settled_by.filter(|_| money && !told && !has_it)
    }

    /// The money is there although another payment had settled the debt: it is told, and somebody decides about it.
    pub(super) fn duplicate(&mut self, by: PaymentId, mut data: Value, actor: &Actor) -> Outcome {
        let message = "Money came although the debt was settled by another payment";
        data["duplicate_of"] = json!(by);
        self.payment.duplicate_of = Some(by);
        let mut told = data.clone();
        told["trigger"] = json!(Trigger::PaidTwice);
        self.tell(DUPLICATE, message, told, actor);
        // A deal that is being closed gives its deposit back by itself.
        if self.payment.payment_method == PaymentMethod::Web3 && self.payment.status == PaymentStatus::Canceling {
            return Outcome::Noted;
        }
        self.try_move(Trigger::PaidTwice, message, data, actor).unwrap_or(Outcome::Noted)
    }
}
