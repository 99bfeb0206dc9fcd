//! What the other payments of an order do to a payment.

use entities::{PaymentId, PaymentStatus};
use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// The event of money that came although the debt was settled: numbered like a transition, in the status before.
pub(crate) const DUPLICATE: &str = "payment.duplicate";

impl Subject {
    /// The order was paid by another payment: nobody can pay this one any more.
    pub(super) fn order_paid(&mut self, by: PaymentId, actor: &Actor) -> Outcome {
        // A receipt waits for its verdict whatever else was paid: the person who checks the bank says what is there.
        let reported = self.capabilities().reported && self.payment.status == PaymentStatus::Submitted;
        let payable =
            matches!(self.payment.status, PaymentStatus::Pending | PaymentStatus::Open | PaymentStatus::Submitted);
        if reported || !payable {
            return Outcome::Unchanged;
        }
        self.cancel("The order was paid by another payment", json!({ "paid_by": by }), actor)
    }

    /// The payment that had settled the debt, if this is money that came all the same and was not announced yet.
    pub(super) fn paid_twice(&self, trigger: Trigger) -> Option<PaymentId> {
        use PaymentStatus::{Canceling, Completed, NeedsReview, Paid, Refunded};
        let payment = &self.payment;
        let known = payment.duplicate_of.is_some() && matches!(payment.status, NeedsReview | Canceling);
        let has_it = matches!(payment.status, Paid | Completed | Refunded);
        let money = matches!(trigger, Trigger::PaymentFinal | Trigger::Released);
        self.settled_by.filter(|_| money && !known && !has_it)
    }

    /// The money is there although another payment had settled the debt: it is announced, and an operator decides about it.
    pub(super) fn duplicate(&mut self, by: PaymentId, mut data: Value, actor: &Actor) -> Outcome {
        let message = "Money came although the debt was settled by another payment";
        data["duplicate_of"] = json!(by);
        self.payment.duplicate_of = Some(by);
        let mut announced = data.clone();
        announced["trigger"] = json!(Trigger::PaidTwice);
        self.announce(DUPLICATE, message, announced, actor);
        // A deal that is being closed gives its deposit back by itself.
        if self.capabilities().on_chain && self.payment.status == PaymentStatus::Canceling {
            return Outcome::Noted;
        }
        self.try_move(Trigger::PaidTwice, message, data, actor).unwrap_or(Outcome::Noted)
    }
}

#[cfg(test)]
mod tests {
    use entities::PaymentMethod;

    use super::*;
    use crate::{observation::Observation, samples};

    fn paid_elsewhere(method: PaymentMethod, status: PaymentStatus) -> (Outcome, Subject) {
        let mut subject = samples::subject(method, status);
        let outcome = subject.apply(Observation::OrderPaid { by: PaymentId::new() }, &Actor::system().into());
        (outcome, subject)
    }

    #[test]
    fn what_may_still_be_paid_is_closed_when_another_payment_was_first() {
        use PaymentStatus::{Canceled, Open, Pending, Submitted};
        for status in PaymentStatus::ALL {
            let (outcome, _) = paid_elsewhere(PaymentMethod::CreditCard, *status);
            let payable = matches!(status, Pending | Open | Submitted);
            assert_eq!(outcome, if payable { Outcome::Moved(Canceled) } else { Outcome::Unchanged }, "{status}");
        }
        let (outcome, _) = paid_elsewhere(PaymentMethod::BankTransfer, Submitted);
        assert_eq!(outcome, Outcome::Unchanged, "a receipt waits for its verdict");
        let (outcome, _) = paid_elsewhere(PaymentMethod::BankTransfer, Open);
        assert_eq!(outcome, Outcome::Moved(Canceled));
    }

    fn money_twice(method: PaymentMethod, status: PaymentStatus) -> (Outcome, Subject) {
        let mut subject = samples::subject(method, status);
        subject.settled_by = Some(PaymentId::new());
        let data = json!({ "session_id": "s" });
        let outcome = subject.apply(Observation::DepositFinal { data }, &Actor::system().into());
        (outcome, subject)
    }

    #[test]
    fn money_that_comes_a_second_time_is_announced_and_reviewed() {
        use PaymentStatus::{Canceled, Expired, Failed, NeedsReview, Open, Rejected, Submitted};
        for status in [Open, Submitted, Failed, Rejected, Canceled, Expired] {
            let (outcome, subject) = money_twice(PaymentMethod::CreditCard, status);
            assert_eq!(outcome, Outcome::Moved(NeedsReview), "{status}");
            assert_eq!(subject.payment.duplicate_of, subject.settled_by, "{status}");
            let duplicates: Vec<_> = subject.logs.iter().filter(|log| log.event_type == DUPLICATE).collect();
            assert_eq!(duplicates.len(), 1, "{status}");
            assert_eq!(duplicates[0].data["duplicate_of"], json!(subject.settled_by));
        }
    }

    #[test]
    fn a_deal_that_is_being_closed_gives_its_deposit_back_by_itself() {
        let (outcome, subject) = money_twice(PaymentMethod::Web3, PaymentStatus::Canceling);
        assert_eq!((outcome, subject.payment.status), (Outcome::Noted, PaymentStatus::Canceling));
        assert_eq!(subject.payment.duplicate_of, subject.settled_by);
        let (outcome, _) = money_twice(PaymentMethod::CreditCard, PaymentStatus::Canceling);
        assert_eq!(outcome, Outcome::Moved(PaymentStatus::NeedsReview));
    }

    #[test]
    fn a_second_time_is_announced_once() {
        let (_, mut subject) = money_twice(PaymentMethod::CreditCard, PaymentStatus::Open);
        let again = subject.apply(Observation::DepositFinal { data: json!({}) }, &Actor::system().into());
        assert_eq!(again, Outcome::Noted);
        assert_eq!(subject.logs.iter().filter(|log| log.event_type == DUPLICATE).count(), 1);
    }
}
