//! What holds for whatever is observed of a payment, in whatever order.

mod follow_ups;
mod stored;

use entities::PaymentMethod;
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{method::Capabilities, samples, verdict::VERDICT};

fn observations() -> Vec<Observation> {
    use entities::GatewaySessionKind::{Checkout, Intent};
    let (data, text) = (|| json!({}), || "why".to_owned());
    let failed = |retryable| Observation::SendFailed { code: text(), message: text(), retryable };
    let held = Closing::Held { payer: text(), token: None, amount_base_units: text() };
    let closed = |deposit| Observation::DealCanceled { deposit, transaction_hash: Some(text()) };
    let verdict = |to| Observation::Resolved(Verdict { to, shown: crate::rail::Shown::Nothing, reason: text() });
    let gateway = [
        AtGateway::Payable,
        AtGateway::Chosen { kind: Checkout, data: data() },
        AtGateway::Chosen { kind: Intent, data: data() },
        AtGateway::Approved { data: data() },
        AtGateway::Captured { kind: Checkout, data: data() },
        AtGateway::Captured { kind: Intent, data: data() },
        AtGateway::CapturedOtherwise { data: data() },
        AtGateway::Failed { code: text(), message: text(), data: data() },
        AtGateway::Closed { data: data() },
        AtGateway::Reversed { data: data() },
        AtGateway::Returned { data: data() },
    ];
    let mut observations = vec![
        Observation::Trace { event_type: "attempt.signed", message: text(), data: data() },
        Observation::SendingStarted { diamond_address: text() },
        Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: None },
        failed(true),
        failed(false),
        Observation::CancelFailed { code: text(), message: text() },
        Observation::ReleaseFailed { code: text(), message: text() },
        Observation::DepositSeen { data: data() },
        Observation::DepositGone { data: data() },
        Observation::DepositFinal { data: data() },
        Observation::Released { transaction_hash: None },
        closed(Closing::Nothing),
        closed(Closing::Returned),
        closed(held),
        Observation::ReturnWithdrawn { at: entities::now(), data: data() },
        Observation::OutcomeUnknown { data: data() },
        Observation::CancelRequested,
        Observation::OrderPaid { by: PaymentId::new() },
        Observation::NothingSent,
        Observation::RetryRequested,
        Observation::ReleaseRequested,
        Observation::TransferAccepted,
        Observation::ReceiptReported { data: data() },
        Observation::ReceiptConfirmed { data: data() },
        Observation::ReceiptRejected { data: data() },
        Observation::TransferLost { data: data() },
        Observation::InvoiceWanted { data: data() },
        Observation::InvoiceRefused { code: text(), message: text() },
        Observation::InvoiceSettled { data: data() },
        Observation::Corrected { data: data() },
        Observation::Voided { data: data() },
        Observation::Refund(RefundUpdate::Created { data: data() }),
        Observation::Refund(RefundUpdate::Succeeded { data: data(), all: true }),
        Observation::Refund(RefundUpdate::Succeeded { data: data(), all: false }),
        Observation::Refund(RefundUpdate::Failed { data: data() }),
        Observation::Expired,
        Observation::NeverSent,
    ];
    observations.extend(Lost::ALL.iter().map(|lost| Observation::FinalityBroken { lost: *lost, data: data() }));
    observations.extend(gateway.map(Observation::Gateway));
    observations.extend(PaymentStatus::ALL.iter().map(|to| verdict(*to)));
    observations
}

fn subject(method: PaymentMethod, status: PaymentStatus) -> Subject {
    Subject::new(samples::payment(method, status), entities::now())
}

fn methods() -> impl Strategy<Value = PaymentMethod> {
    select(PaymentMethod::ALL)
}

fn statuses() -> impl Strategy<Value = PaymentStatus> {
    select(PaymentStatus::ALL)
}

proptest! {
    #[test]
    fn events_are_numbered_without_gaps_and_lead_from_one_to_the_next(
        method in methods(), status in statuses(), twice: bool, life in vec(select(observations()), 1..25)
    ) {
        let mut subject = subject(method, status);
        subject.settled_by = twice.then(PaymentId::new);
        let mut at = status;
        for what in life {
            let (before, known) = (subject.payment.clone(), subject.logs.len());
            let outcome = subject.apply(what.clone(), &Actor::system().into());
            let mut number = before.sequence;
            for log in &subject.logs[known..] {
                prop_assert_eq!(log.payment_id, before.id);
                let Some(sequence) = log.sequence else { continue };
                number += 1;
                prop_assert_eq!(sequence, number, "{:?}", &what);
                prop_assert_eq!(&log.data["from"], &json!(at), "{:?}", &what);
                at = serde_json::from_value(log.data["to"].clone()).unwrap();
            }
            prop_assert_eq!((subject.payment.sequence, subject.payment.status), (number, at), "{:?}", &what);
            match outcome {
                Outcome::Moved(to) => prop_assert_eq!(to, subject.payment.status, "{:?}", &what),
                Outcome::Noted => {
                    prop_assert!(subject.logs.len() > known && subject.changed, "{:?} noted nothing", &what);
                    prop_assert_eq!(before.status, subject.payment.status, "{:?}", &what);
                }
                Outcome::Unchanged => {
                    prop_assert_eq!(subject.logs.len(), known, "{:?}", &what);
                    prop_assert_eq!(before.status, subject.payment.status, "{:?}", &what);
                }
            }
        }
    }

    #[test]
    fn no_move_is_made_that_the_table_does_not_hold(
        method in methods(), status in statuses(), twice: bool, life in vec(select(observations()), 1..25)
    ) {
        let mut subject = subject(method, status);
        subject.settled_by = twice.then(PaymentId::new);
        for what in life {
            subject.apply(what, &Actor::system().into());
        }
        for log in subject.logs.iter().filter(|log| log.sequence.is_some() && log.data["from"] != log.data["to"]) {
            let status = |name: &str| serde_json::from_value::<PaymentStatus>(log.data[name].clone()).unwrap();
            if log.data["trigger"] == VERDICT {
                prop_assert_eq!(status("from"), PaymentStatus::NeedsReview);
                continue;
            }
            let trigger: Trigger = serde_json::from_value(log.data["trigger"].clone()).unwrap();
            prop_assert_eq!(transition::next(status("from"), trigger), Some(status("to")), "{:?}", log);
        }
    }

    /// Money on a second rail never makes its payment a paid one; somebody has to look at it.
    #[test]
    fn a_debt_is_not_settled_twice(method in methods(), status in statuses(), what in select(observations())) {
        use PaymentStatus::{Completed, Paid, Refunded};
        let has_it = |status| matches!(status, Paid | Completed | Refunded);
        let by_operator = matches!(what, Observation::Resolved(_));
        let possible = Capabilities::of(method).at_gateway || !matches!(what, Observation::Gateway(_));
        prop_assume!(!has_it(status) && !by_operator && possible);
        let mut subject = subject(method, status);
        subject.settled_by = Some(PaymentId::new());
        subject.apply(what.clone(), &Actor::system().into());
        let paid = matches!(subject.payment.status, Paid | Completed);
        prop_assert!(!paid, "{what:?} of a payment that is {status} settled the debt once more");
        let announced = subject.logs.iter().any(|log| log.event_type == debt::DUPLICATE);
        prop_assert_eq!(announced, subject.payment.duplicate_of.is_some(), "{:?}", what);
    }

    #[test]
    fn who_requested_it_and_in_which_request_stands_in_every_row(
        method in methods(), status in statuses(), what in select(observations()), request_id in option::of("[a-z]{1,8}")
    ) {
        let mut subject = subject(method, status);
        let requested_by = RequestedBy { actor: Actor::chain(7), request_id: request_id.clone() };
        subject.apply(what, &requested_by);
        for log in &subject.logs {
            prop_assert_eq!(&log.actor, &requested_by.actor);
            prop_assert_eq!(log.data["request_id"].as_str(), request_id.as_deref());
        }
    }

    #[test]
    fn a_resend_waits_longer_each_time_and_never_for_long(resends in any::<i32>()) {
        let delay = resend_delay(resends);
        prop_assert!(delay >= TimeDelta::zero() && delay <= TimeDelta::seconds(300), "{delay}");
    }
}

fn applied(method: PaymentMethod, status: PaymentStatus, life: Vec<Observation>) -> (Subject, Vec<Outcome>) {
    let mut subject = subject(method, status);
    let outcomes = life.into_iter().map(|what| subject.apply(what, &Actor::system().into())).collect();
    (subject, outcomes)
}

#[test]
fn what_came_first_of_a_deal_stays() {
    let opened = |id: &str| Observation::DealOpened { deal_id: id.to_owned(), transaction_hash: Some(id.to_owned()) };
    let (subject, outcomes) =
        applied(PaymentMethod::Web3, PaymentStatus::Pending, vec![opened("7"), opened("7"), opened("8")]);
    assert_eq!(outcomes, [Outcome::Moved(PaymentStatus::Open), Outcome::Unchanged, Outcome::Unchanged]);
    assert_eq!(
        (subject.payment.deal_id.as_deref(), subject.payment.transaction_hash.as_deref()),
        (Some("7"), Some("7"))
    );
}

#[test]
fn a_failed_sending_is_repeated_as_often_as_the_merchant_wants_and_in_time() {
    let failed = || Observation::SendFailed { code: "x".to_owned(), message: "y".to_owned(), retryable: true };
    let pending = samples::payment(PaymentMethod::Web3, PaymentStatus::Pending);
    let after = |payment: payment::Model, what: Observation| {
        let mut subject = Subject::new(payment, entities::now());
        let outcome = subject.apply(what, &Actor::system().into());
        (outcome, subject.messages.len(), subject.payment.resends)
    };
    let wanted = payment::Model { retry: true, retry_count: 2, sending_since: Some(entities::now()), ..pending };
    let again = after(wanted.clone(), failed());
    assert_eq!(again, (Outcome::Noted, 1, 1));
    let last = payment::Model { resends: 2, ..wanted.clone() };
    assert_eq!(after(last, failed()), (Outcome::Moved(PaymentStatus::Failed), 0, 2));
    let late = payment::Model { expires_at: entities::now() - TimeDelta::seconds(1), ..wanted.clone() };
    assert_eq!(after(late, failed()).0, Outcome::Moved(PaymentStatus::Failed));
    let unwanted = payment::Model { retry: false, ..wanted.clone() };
    assert_eq!(after(unwanted, failed()).0, Outcome::Moved(PaymentStatus::Failed));
    let definite = Observation::SendFailed { code: "x".to_owned(), message: "y".to_owned(), retryable: false };
    assert_eq!(after(wanted, definite).0, Outcome::Moved(PaymentStatus::Failed));
}

#[test]
fn a_release_is_requested_of_a_chain_once_and_of_nobody_else() {
    let request = || Observation::ReleaseRequested;
    let (subject, outcomes) = applied(PaymentMethod::Web3, PaymentStatus::Paid, vec![request(), request()]);
    assert_eq!((outcomes, subject.messages.len()), (vec![Outcome::Noted, Outcome::Unchanged], 1));
    let failed = Observation::ReleaseFailed { code: "x".to_owned(), message: "y".to_owned() };
    let (subject, outcomes) = applied(PaymentMethod::Web3, PaymentStatus::Paid, vec![request(), failed, request()]);
    assert_eq!((outcomes[2], subject.messages.len()), (Outcome::Noted, 2), "what failed may be requested again");
    let (subject, outcomes) = applied(PaymentMethod::BankTransfer, PaymentStatus::Paid, vec![request()]);
    assert_eq!((outcomes[0], subject.messages.len()), (Outcome::Moved(PaymentStatus::Completed), 0));
    let (_, outcomes) = applied(PaymentMethod::Web3, PaymentStatus::Open, vec![request()]);
    assert_eq!(outcomes, [Outcome::Unchanged]);
}

#[test]
fn a_lost_deal_may_be_opened_again() {
    let opened = || Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: Some("0xa".to_owned()) };
    let lost = Observation::FinalityBroken { lost: Lost::DealCreated, data: json!({}) };
    let (subject, outcomes) = applied(PaymentMethod::Web3, PaymentStatus::Pending, vec![opened(), lost, opened()]);
    let (open, review) = (Outcome::Moved(PaymentStatus::Open), Outcome::Moved(PaymentStatus::NeedsReview));
    assert_eq!(outcomes, [open, review, Outcome::Noted], "found again, it is evidence for the verdict");
    assert_eq!(subject.payment.deal_id.as_deref(), Some("7"));
    let announced: Vec<_> =
        subject.logs.iter().filter(|log| log.sequence.is_some()).map(|log| log.event_type).collect();
    assert_eq!(announced, ["payment.open", REVERTED, "payment.needs_review"]);
}

#[test]
fn a_verdict_requests_again_what_its_state_needs() {
    let to = |to| Observation::Resolved(Verdict { to, shown: crate::rail::Shown::Nothing, reason: "seen".to_owned() });
    for (status, messages) in [
        (PaymentStatus::Pending, 1),
        (PaymentStatus::Open, 1),
        (PaymentStatus::Canceling, 1),
        (PaymentStatus::Submitted, 0),
        (PaymentStatus::Paid, 0),
        (PaymentStatus::Refunded, 0),
    ] {
        let (subject, outcomes) = applied(PaymentMethod::Web3, PaymentStatus::NeedsReview, vec![to(status)]);
        assert_eq!((outcomes[0], subject.messages.len()), (Outcome::Moved(status), messages), "{status}");
    }
    let failed = vec![to(PaymentStatus::Failed)];
    let (subject, _) = applied(PaymentMethod::Web3, PaymentStatus::NeedsReview, failed);
    assert_eq!(subject.payment.failure_message.as_deref(), Some("seen"));
    assert_eq!(subject.payment.failure_retryable, Some(true));
    let (_, outcomes) = applied(PaymentMethod::Web3, PaymentStatus::Open, vec![to(PaymentStatus::Paid)]);
    assert_eq!(outcomes, [Outcome::Unchanged], "only what is in review waits for one");
}
