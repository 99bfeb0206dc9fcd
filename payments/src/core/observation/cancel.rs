//! What a cancel does to a payment, whoever requests it.

use entities::PaymentStatus;
use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

impl Subject {
    /// Cancels the payment: through its rail where that may have it, at once elsewhere.
    pub(super) fn cancel(&mut self, message: &str, data: Value, actor: &Actor) -> Outcome {
        let rail = self.capabilities();
        // What a gateway has taken goes back by refunds, of which there may be several.
        let at_gateway = rail.at_gateway && self.payment.status != PaymentStatus::Paid;
        // A deal that opened although its sending had been said to have failed has to be closed as well.
        let sent = self.payment.sending_since.is_some() || self.payment.deal_id.is_some();
        let trigger = if (rail.on_chain || at_gateway) && sent {
            Trigger::CancelRequested
        } else {
            Trigger::CanceledBeforeSending
        };
        self.try_move(trigger, message, data, actor).unwrap_or(Outcome::Unchanged)
    }

    /// Nothing that would have to be closed was ever requested of the chain.
    pub(super) fn nothing_sent(&mut self, actor: &Actor) -> Outcome {
        if self.payment.status != PaymentStatus::Canceling || self.payment.deal_id.is_some() {
            return Outcome::Unchanged;
        }
        self.try_move(Trigger::Closed, "Nothing had been sent to the chain", json!({}), actor)
            .unwrap_or(Outcome::Unchanged)
    }
}

#[cfg(test)]
mod tests {
    use entities::{PaymentMethod, now};

    use super::*;
    use crate::{observation::Observation, samples};

    /// What a cancel comes to, for a payment that was handed to its rail or not.
    fn canceled(method: PaymentMethod, status: PaymentStatus, sent: bool) -> Outcome {
        let mut subject = samples::subject(method, status);
        subject.payment.sending_since = sent.then(now);
        subject.apply(Observation::CancelRequested, &Actor::payer().into())
    }

    #[test]
    fn what_its_rail_may_have_is_canceled_through_the_rail() {
        use PaymentStatus::{Canceled, Canceling, Open, Paid, Pending, Submitted};
        for method in PaymentMethod::ALL {
            let has_rail =
                matches!(method, PaymentMethod::Web3 | PaymentMethod::CreditCard | PaymentMethod::MobileMoney);
            for status in [Pending, Open, Submitted] {
                assert_eq!(canceled(*method, status, false), Outcome::Moved(Canceled), "{method} {status}");
                let sent = if has_rail { Canceling } else { Canceled };
                assert_eq!(canceled(*method, status, true), Outcome::Moved(sent), "{method} {status}");
            }
            // What a gateway has taken goes back by refunds, and only a deal still holds what is paid.
            let paid = canceled(*method, Paid, true);
            let returned = if *method == PaymentMethod::Web3 { Outcome::Moved(Canceling) } else { Outcome::Unchanged };
            assert_eq!(paid, returned, "{method}");
        }
    }

    #[test]
    fn a_deal_that_is_open_is_closed_whatever_was_said_of_its_sending() {
        let mut subject = samples::subject(PaymentMethod::Web3, PaymentStatus::Pending);
        subject.payment.deal_id = Some("7".to_owned());
        let outcome = subject.apply(Observation::CancelRequested, &Actor::payer().into());
        assert_eq!((outcome, subject.messages.len()), (Outcome::Moved(PaymentStatus::Canceling), 1));
    }

    #[test]
    fn an_end_is_not_canceled() {
        use PaymentStatus::{Canceled, Canceling, Completed, Expired, Failed, NeedsReview, Refunded, Rejected};
        for status in [Canceled, Canceling, Completed, Expired, Failed, NeedsReview, Refunded, Rejected] {
            assert_eq!(canceled(PaymentMethod::Web3, status, true), Outcome::Unchanged, "{status}");
        }
    }

    #[test]
    fn a_cancel_of_what_was_never_sent_ends_where_no_deal_is_known() {
        let mut subject = samples::subject(PaymentMethod::Web3, PaymentStatus::Canceling);
        subject.payment.deal_id = Some("7".to_owned());
        assert_eq!(subject.apply(Observation::NothingSent, &Actor::payer().into()), Outcome::Unchanged);
        subject.payment.deal_id = None;
        let ended = subject.apply(Observation::NothingSent, &Actor::payer().into());
        assert_eq!(ended, Outcome::Moved(PaymentStatus::Canceled));
        let mut open = samples::subject(PaymentMethod::Web3, PaymentStatus::Open);
        assert_eq!(open.apply(Observation::NothingSent, &Actor::payer().into()), Outcome::Unchanged);
    }
}
