//! What a gateway does to the payment: what was requested there, and what the gateway reports.

use chrono::{DateTime, Utc};
use entities::{GatewaySessionKind, PaymentStatus};
use queue::NewMessage;
use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, jobs::CheckSession, rail::Lost, transition::Trigger};

/// What was requested of a gateway, or what the gateway reports.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the facts that the variants name")]
pub enum AtGateway {
    /// The payer may choose a gateway.
    Payable,
    /// The payment is to be opened there; from now on a cancel has to go through the gateway.
    Chosen { kind: GatewaySessionKind, data: Value },
    /// The payer has agreed.
    Approved { data: Value },
    /// The gateway has the money.
    Captured { kind: GatewaySessionKind, data: Value },
    /// The gateway has taken another amount than was requested.
    CapturedOtherwise { data: Value },
    /// It definitely failed there.
    Failed { code: String, message: String, data: Value },
    /// Nobody can pay there any more, and nobody has.
    Closed { data: Value },
    /// The payer's bank took the money back.
    Reversed { data: Value },
    /// All of it went back to the payer.
    Returned { data: Value },
}

impl Subject {
    pub(super) fn at_gateway(&mut self, what: AtGateway, actor: &Actor) -> Outcome {
        match what {
            AtGateway::Payable => {
                self.clear_failure();
                let message = "The payer may choose how to pay";
                self.try_move(Trigger::Opened, message, json!({}), actor).unwrap_or(Outcome::Unchanged)
            }
            AtGateway::Chosen { kind, data } => self.chosen(kind, data, actor),
            AtGateway::Approved { data } => {
                let message = "The payer has agreed";
                let noted = self.note("gateway.approved", message, data.clone(), actor);
                if self.payment.status != PaymentStatus::Open {
                    return noted;
                }
                self.try_move(Trigger::PaymentSeen, message, data, actor).unwrap_or(noted)
            }
            AtGateway::Captured { data, .. } if self.payment.status == PaymentStatus::Refunded => {
                // A payer's bank that had all of it gives it again: nobody has it back any more.
                self.finality_broken(Lost::Return, data, actor)
            }
            AtGateway::Captured { kind, data } => self.captured(kind, data, actor),
            AtGateway::CapturedOtherwise { data } => {
                let message = "The gateway has taken another amount than was asked for";
                let trigger = match self.payment.status {
                    PaymentStatus::Failed | PaymentStatus::Canceled | PaymentStatus::Expired => Trigger::PaymentFinal,
                    _ => Trigger::FinalityBroken,
                };
                self.move_or_note(trigger, "gateway.captured_otherwise", message, data, actor)
            }
            AtGateway::Failed { code, message, data } => self.failed_at_gateway(code, message, data, actor),
            AtGateway::Closed { data } => self.closed_at_gateway(data, actor),
            AtGateway::Reversed { data } => self.finality_broken(Lost::Capture, data, actor),
            AtGateway::Returned { data } => {
                let message = "The payer has all of it back";
                self.move_or_note(Trigger::Returned, "gateway.returned", message, data, actor)
            }
        }
    }

    fn chosen(&mut self, kind: GatewaySessionKind, data: Value, actor: &Actor) -> Outcome {
        self.clear_failure();
        self.payment.sending_since = Some(self.now);
        let message = "The payment is opened at a gateway";
        match kind {
            GatewaySessionKind::Checkout => {
                self.try_move(Trigger::PaymentSeen, message, data, actor).unwrap_or(Outcome::Unchanged)
            }
            // A widget in a shop: whether anybody pays is known later.
            GatewaySessionKind::Intent => self.note("gateway.asked", message, data, actor),
        }
    }

    fn captured(&mut self, kind: GatewaySessionKind, data: Value, actor: &Actor) -> Outcome {
        self.clear_failure();
        if self.payment.status == PaymentStatus::Open {
            self.try_move(Trigger::PaymentSeen, "The payer has paid", data.clone(), actor);
        }
        let message = "The gateway has the money";
        let outcome = self.move_or_note(Trigger::PaymentFinal, "gateway.captured", message, data.clone(), actor);
        // A checkout's gateway is the shop's own; a seller's money still has to be paid out. A cancel that came too late
        // ends the same way as it would on a chain.
        let held = kind == GatewaySessionKind::Intent && self.payment.status == PaymentStatus::Paid;
        if held || !matches!(self.payment.status, PaymentStatus::Paid | PaymentStatus::Canceling) {
            return outcome;
        }
        self.try_move(Trigger::Released, "The payee has the money", data, actor).unwrap_or(outcome)
    }

    fn failed_at_gateway(&mut self, code: String, message: String, mut data: Value, actor: &Actor) -> Outcome {
        data["code"] = json!(code);
        data["message"] = json!(message);
        self.payment.sending_since = None;
        if self.payment.status == PaymentStatus::Canceling {
            return self.closed_at_gateway(data, actor);
        }
        // An open one may still be paid at another gateway, or by another intent.
        if self.payment.status == PaymentStatus::Submitted {
            self.fail_with(code, message, false);
        }
        self.move_or_note(Trigger::RailFailed, "gateway.failed", "The gateway has refused the payment", data, actor)
    }

    fn closed_at_gateway(&mut self, data: Value, actor: &Actor) -> Outcome {
        self.payment.sending_since = None;
        let message = "Nobody has paid at the gateway, and nobody can any more";
        let trigger = match self.payment.status {
            PaymentStatus::Submitted => Trigger::PaymentGone,
            _ => Trigger::Closed,
        };
        match self.payment.status {
            PaymentStatus::Submitted | PaymentStatus::Canceling => {
                self.try_move(trigger, message, data, actor).unwrap_or(Outcome::Unchanged)
            }
            _ => self.note("gateway.closed", message, data, actor),
        }
    }

    /// Enqueues the messages that a payment at a gateway needs in this state.
    pub(super) fn follow_up_at_gateway(&mut self, to: PaymentStatus, expires_at: DateTime<Utc>) {
        let payment_id = self.payment.id;
        match to {
            PaymentStatus::Open => {
                self.send(NewMessage::of(&crate::jobs::ExpirePayment { payment_id }).due_at(expires_at));
            }
            // What somebody may still pay there has to be closed.
            PaymentStatus::Canceling | PaymentStatus::Expired => {
                self.send(NewMessage::of(&CheckSession::new(payment_id, None)));
            }
            PaymentStatus::Pending
            | PaymentStatus::Submitted
            | PaymentStatus::Paid
            | PaymentStatus::Completed
            | PaymentStatus::Canceled
            | PaymentStatus::Failed
            | PaymentStatus::Rejected
            | PaymentStatus::Refunded
            | PaymentStatus::NeedsReview => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use entities::PaymentMethod;
    use queue::NewMessage;

    use super::*;
    use crate::{observation::Observation, samples};

    fn applied(subject: &mut Subject, what: AtGateway) -> Outcome {
        subject.apply(Observation::Gateway(what), &Actor::worker("check_session").into())
    }

    fn after(status: PaymentStatus, what: AtGateway) -> Outcome {
        applied(&mut samples::subject(PaymentMethod::CreditCard, status), what)
    }

    fn captured(kind: GatewaySessionKind) -> AtGateway {
        AtGateway::Captured { kind, data: json!({}) }
    }

    fn failed() -> AtGateway {
        AtGateway::Failed { code: "declined".to_owned(), message: "no".to_owned(), data: json!({}) }
    }

    #[test]
    fn a_checkout_is_completed_with_its_capture_and_a_sellers_money_is_held() {
        use GatewaySessionKind::{Checkout, Intent};
        for status in [PaymentStatus::Open, PaymentStatus::Submitted] {
            assert_eq!(after(status, captured(Checkout)), Outcome::Moved(PaymentStatus::Completed), "{status}");
            assert_eq!(after(status, captured(Intent)), Outcome::Moved(PaymentStatus::Paid), "{status}");
        }
        for kind in [Checkout, Intent] {
            let late = after(PaymentStatus::Canceling, captured(kind));
            assert_eq!(late, Outcome::Moved(PaymentStatus::Completed), "a cancel that came too late");
            for status in [PaymentStatus::Failed, PaymentStatus::Canceled, PaymentStatus::Expired] {
                let found = after(status, captured(kind));
                assert_eq!(found, Outcome::Moved(PaymentStatus::NeedsReview), "{status}: found money");
            }
            let again = after(PaymentStatus::Refunded, captured(kind));
            assert_eq!(again, Outcome::Moved(PaymentStatus::NeedsReview), "the payer's bank gives it again");
        }
    }

    #[test]
    fn another_amount_is_reviewed_wherever_it_is_found() {
        use PaymentStatus::{Canceled, Expired, Failed, Open, Submitted};
        for status in [Open, Submitted, Failed, Canceled, Expired] {
            let other = after(status, AtGateway::CapturedOtherwise { data: json!({}) });
            assert_eq!(other, Outcome::Moved(PaymentStatus::NeedsReview), "{status}");
        }
    }

    #[test]
    fn a_widget_is_paid_when_somebody_agrees_and_a_page_when_it_is_chosen() {
        let chosen = |kind| AtGateway::Chosen { kind, data: json!({}) };
        let mut page = samples::subject(PaymentMethod::CreditCard, PaymentStatus::Open);
        let outcome = applied(&mut page, chosen(GatewaySessionKind::Checkout));
        assert_eq!(outcome, Outcome::Moved(PaymentStatus::Submitted));
        let mut widget = samples::subject(PaymentMethod::CreditCard, PaymentStatus::Open);
        assert_eq!(applied(&mut widget, chosen(GatewaySessionKind::Intent)), Outcome::Noted);
        assert!(page.payment.sending_since.is_some() && widget.payment.sending_since.is_some());
        let agreed = applied(&mut widget, AtGateway::Approved { data: json!({}) });
        assert_eq!(agreed, Outcome::Moved(PaymentStatus::Submitted));
        assert_eq!(applied(&mut widget, AtGateway::Approved { data: json!({}) }), Outcome::Noted);
    }

    #[test]
    fn a_refusal_fails_what_was_submitted_and_ends_what_is_being_canceled() {
        let mut subject = samples::subject(PaymentMethod::CreditCard, PaymentStatus::Submitted);
        assert_eq!(applied(&mut subject, failed()), Outcome::Moved(PaymentStatus::Failed));
        assert_eq!(subject.payment.failure_code.as_deref(), Some("declined"));
        assert_eq!(after(PaymentStatus::Canceling, failed()), Outcome::Moved(PaymentStatus::Canceled));
        let mut open = samples::subject(PaymentMethod::CreditCard, PaymentStatus::Open);
        assert_eq!(applied(&mut open, failed()), Outcome::Noted, "it may be paid at another gateway");
        assert_eq!(open.payment.failure_code, None);
    }

    #[test]
    fn what_nobody_can_pay_there_any_more_may_be_paid_elsewhere() {
        let closed = || AtGateway::Closed { data: json!({}) };
        assert_eq!(after(PaymentStatus::Submitted, closed()), Outcome::Moved(PaymentStatus::Open));
        assert_eq!(after(PaymentStatus::Canceling, closed()), Outcome::Moved(PaymentStatus::Canceled));
        for status in [PaymentStatus::Open, PaymentStatus::Paid, PaymentStatus::Completed] {
            assert_eq!(after(status, closed()), Outcome::Noted, "{status}");
        }
    }

    #[test]
    fn an_open_payment_is_expired_in_time_and_one_that_ends_is_closed_there() {
        let after_move = |to| {
            let mut subject = samples::subject(PaymentMethod::CreditCard, PaymentStatus::Pending);
            let expires_at = subject.payment.expires_at;
            subject.follow_up_at_gateway(to, expires_at);
            subject.messages
        };
        let kind =
            |messages: Vec<NewMessage>| messages.iter().map(|message| format!("{message:?}")).collect::<String>();
        for to in PaymentStatus::ALL {
            let sent = kind(after_move(*to));
            let wanted = match to {
                PaymentStatus::Open => "expire_payment",
                PaymentStatus::Canceling | PaymentStatus::Expired => "check_session",
                _ => "",
            };
            assert!(sent.contains(wanted) && sent.is_empty() == wanted.is_empty(), "{to}: {sent}");
        }
    }
}
