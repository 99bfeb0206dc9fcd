//! What is sent because of an observation, to whom and for when: a message too early, too often or not at all costs money.

use super::*;
use crate::jobs::CheckSession;

fn applied_to(payment: payment::Model, life: Vec<Observation>) -> (Subject, Vec<Outcome>) {
    let mut subject = Subject::new(payment, entities::now());
    let outcomes = life.into_iter().map(|what| subject.apply(what, &Actor::system().into())).collect();
    (subject, outcomes)
}

fn shown(messages: &[NewMessage]) -> Vec<String> {
    messages.iter().map(|message| format!("{message:?}")).collect()
}

/// Whether the message of this kind waits for a time to come.
fn waits(subject: &Subject, kind: &str) -> bool {
    let [message] = &shown(&subject.messages)[..] else { panic!("{:?}", subject.messages) };
    assert!(message.contains(&format!("kind: {kind:?}")), "{message}");
    !message.contains("due_at: None")
}

fn failed(retryable: bool) -> Observation {
    Observation::SendFailed { code: "x".to_owned(), message: "y".to_owned(), retryable }
}

fn cancel_failed() -> Observation {
    Observation::CancelFailed { code: "x".to_owned(), message: "y".to_owned() }
}

#[test]
fn every_state_of_every_method_enqueues_what_it_needs_at_its_time() {
    use PaymentMethod::{BankTransfer, CreditCard, MobileMoney, Web3};
    for method in PaymentMethod::ALL {
        for to in PaymentStatus::ALL {
            let mut subject = subject(*method, PaymentStatus::Pending);
            subject.request_id = Some("r".to_owned());
            subject.follow_up(*to);
            let (payment_id, due) = (subject.payment.id, subject.payment.expires_at);
            let open = NewMessage::of(&OpenDeal { payment_id });
            let expire = NewMessage::of(&ExpirePayment { payment_id }).due_at(due);
            let (close, check) = (NewMessage::of(&CancelDeal { payment_id }), CheckSession::new(payment_id, None));
            let wanted = match (method, to) {
                (Web3, PaymentStatus::Pending) => Some(open),
                (Web3 | BankTransfer | CreditCard | MobileMoney, PaymentStatus::Open) => Some(expire),
                (Web3, PaymentStatus::Canceling | PaymentStatus::Expired) => Some(close),
                (CreditCard | MobileMoney, PaymentStatus::Canceling | PaymentStatus::Expired) => {
                    Some(NewMessage::of(&check))
                }
                _ => None,
            };
            let node_id = subject.payment.node_id.to_string();
            let wanted = wanted.map(|message| {
                let message = message.header("payment_id", payment_id.to_string());
                message.header("node_id", node_id).header("request_id", "r")
            });
            assert_eq!(shown(&subject.messages), shown(wanted.as_slice()), "{method} {to}");
        }
    }
}

#[test]
fn a_resend_waits_and_leaves_nothing_on_its_way() {
    let pending = samples::payment(PaymentMethod::Web3, PaymentStatus::Pending);
    let wanted = payment::Model { retry: true, retry_count: 2, sending_since: Some(entities::now()), ..pending };
    let (subject, _) = applied_to(wanted.clone(), vec![failed(true)]);
    assert!(waits(&subject, "open_deal"));
    assert_eq!((subject.payment.sending_since, subject.payment.resends), (None, 1), "a cancel needs no chain");
    let logged = &subject.logs[0].data;
    assert_eq!((&logged["resend"], logged["in_seconds"].as_i64().is_some()), (&json!(1), true));
    assert_eq!(subject.payment.failure_code.as_deref(), Some("x"));
    // One that comes when the payment has gone on says nothing about where it is now.
    let open = payment::Model { status: PaymentStatus::Open, ..wanted.clone() };
    let (subject, outcomes) = applied_to(open, vec![failed(true)]);
    assert_eq!((outcomes[0], subject.messages.len(), subject.payment.failure_code), (Outcome::Noted, 0, None));
    let on_time = payment::Model { expires_at: entities::now() + TimeDelta::minutes(1), ..wanted };
    assert_eq!(applied_to(on_time, vec![failed(true)]).0.messages.len(), 1);
}

#[test]
fn a_closing_that_failed_is_requested_again_only_where_it_is_still_wanted() {
    for status in PaymentStatus::ALL {
        let payment = payment::Model { resends: 3, ..samples::payment(PaymentMethod::Web3, *status) };
        let (subject, outcomes) = applied_to(payment, vec![cancel_failed()]);
        assert_eq!(outcomes, [Outcome::Noted], "{status}");
        let wanted = matches!(status, PaymentStatus::Canceling | PaymentStatus::Expired);
        assert_eq!(subject.messages.len(), usize::from(wanted), "{status}");
        assert_eq!((subject.payment.resends, subject.payment.failure_code.is_some()), (3 + i32::from(wanted), wanted));
        assert!(!wanted || waits(&subject, "cancel_deal"), "{status}");
    }
}

#[test]
fn resends_wait_longer_and_longer() {
    let longest = |resends| (0..300).map(|_| resend_delay(resends)).max().unwrap();
    let (first, later) = (longest(0), longest(4));
    assert!(first <= TimeDelta::seconds(2) && first > TimeDelta::milliseconds(500), "{first}");
    assert!(later > TimeDelta::seconds(8) && later <= TimeDelta::seconds(32), "{later}");
}

#[test]
fn what_is_sent_again_starts_anew_and_only_what_no_chain_and_no_other_rail_has() {
    let spent = || {
        let failed = samples::payment(PaymentMethod::Web3, PaymentStatus::Failed);
        let code = Some("x".to_owned());
        payment::Model { resends: 8, sending_since: Some(entities::now()), failure_code: code, ..failed }
    };
    let (subject, outcomes) = applied_to(spent(), vec![Observation::RetryRequested]);
    assert_eq!(outcomes, [Outcome::Moved(PaymentStatus::Pending)]);
    assert_eq!((subject.payment.resends, subject.payment.sending_since), (0, None));
    assert_eq!((subject.payment.failure_code, shown(&subject.messages).len()), (None, 1));
    let with_deal = payment::Model { deal_id: Some("7".to_owned()), ..spent() };
    let (subject, outcomes) = applied_to(with_deal, vec![Observation::RetryRequested]);
    assert_eq!((outcomes[0], subject.messages.len()), (Outcome::Unchanged, 0), "there is a deal");
    let mut settled = Subject::new(spent(), entities::now());
    settled.settled_by = Some(PaymentId::new());
    let outcome = settled.apply(Observation::RetryRequested, &Actor::system().into());
    assert_eq!((outcome, settled.messages.len()), (Outcome::Unchanged, 0), "its order is paid");
    assert_eq!(settled.payment.resends, 8, "nothing has changed");
    let pending = samples::payment(PaymentMethod::Web3, PaymentStatus::Pending);
    let (subject, outcomes) = applied_to(pending, vec![Observation::RetryRequested]);
    assert_eq!(outcomes, [Outcome::Noted]);
    assert!(!waits(&subject, "open_deal"));
}

#[test]
fn a_release_that_failed_says_so_as_long_as_the_payment_waits_for_it() {
    let failed = || Observation::ReleaseFailed { code: "x".to_owned(), message: "y".to_owned() };
    for (status, fails) in
        [(PaymentStatus::Paid, true), (PaymentStatus::Completed, false), (PaymentStatus::Refunded, false)]
    {
        let requested = payment::Model {
            release_requested_at: Some(entities::now()),
            ..samples::payment(PaymentMethod::Web3, status)
        };
        let (subject, _) = applied_to(requested, vec![failed()]);
        assert_eq!(subject.payment.failure_code.is_some(), fails, "{status}");
        assert_eq!((subject.payment.release_requested_at, subject.messages.len()), (None, 0), "{status}");
    }
    let (subject, _) = applied(PaymentMethod::Web3, PaymentStatus::Paid, vec![failed(), Observation::ReleaseRequested]);
    assert_eq!(subject.payment.failure_code, None, "it is tried again");
    assert!(subject.payment.release_requested_at.is_some());
}

#[test]
fn a_verdict_starts_anew_and_forgets_what_it_has_decided() {
    let in_review = || {
        let payment = samples::payment(PaymentMethod::Web3, PaymentStatus::NeedsReview);
        let (resends, code) = (8, Some("x".to_owned()));
        let requested = Some(entities::now());
        let duplicate_of = Some(PaymentId::new());
        payment::Model { resends, failure_code: code, release_requested_at: requested, duplicate_of, ..payment }
    };
    let to = |to| Observation::Resolved(Verdict { to, shown: crate::rail::Shown::Nothing, reason: "seen".to_owned() });
    for status in [PaymentStatus::Pending, PaymentStatus::Open, PaymentStatus::Submitted] {
        let (subject, _) = applied_to(in_review(), vec![to(status)]);
        assert_eq!((subject.payment.resends, subject.payment.release_requested_at), (0, None), "{status}");
        assert_eq!((subject.payment.failure_code, subject.payment.duplicate_of), (None, None), "{status}");
    }
    let (subject, _) = applied_to(in_review(), vec![to(PaymentStatus::Paid)]);
    assert!(!waits(&subject, "release_deal"), "somebody had requested it");
    assert!(subject.payment.release_requested_at.is_some());
    let mut settled = Subject::new(in_review(), entities::now());
    settled.settled_by = settled.payment.duplicate_of;
    settled.apply(to(PaymentStatus::Canceling), &Actor::system().into());
    assert_eq!(settled.payment.duplicate_of, settled.settled_by, "another payment has settled the debt still");
}

#[test]
fn a_gateway_that_has_nothing_is_not_requested_to_close_it() {
    let ended = [
        AtGateway::Failed { code: "x".to_owned(), message: "y".to_owned(), data: json!({}) },
        AtGateway::Closed { data: json!({}) },
    ];
    for what in ended {
        let open = samples::payment(PaymentMethod::CreditCard, PaymentStatus::Open);
        let sent = payment::Model { sending_since: Some(entities::now()), ..open };
        let life = vec![Observation::Gateway(what.clone()), Observation::CancelRequested];
        let (subject, outcomes) = applied_to(sent, life);
        assert_eq!(outcomes[1], Outcome::Moved(PaymentStatus::Canceled), "{what:?}");
        assert!(subject.messages.is_empty(), "{what:?}");
    }
}

#[test]
fn only_a_deal_that_is_gone_is_opened_as_a_new_one() {
    for lost in Lost::ALL {
        for (status, reviewed) in [(PaymentStatus::Paid, true), (PaymentStatus::Failed, false)] {
            let payment = payment::Model {
                deal_id: Some("7".to_owned()),
                transaction_hash: Some("0xa".to_owned()),
                return_held_for: Some("0xp".to_owned()),
                return_held_token: Some("0xt".to_owned()),
                return_withdrawn_at: Some(entities::now()),
                ..samples::payment(PaymentMethod::Web3, status)
            };
            let (subject, _) = applied_to(payment, vec![Observation::FinalityBroken { lost: *lost, data: json!({}) }]);
            let kept = &subject.payment;
            let forgotten = *lost == Lost::DealCreated && reviewed;
            assert_eq!((kept.deal_id.is_none(), kept.transaction_hash.is_none()), (forgotten, forgotten), "{lost:?}");
            let return_forgotten = *lost == Lost::DealCanceled;
            assert_eq!(kept.return_held_for.is_none(), return_forgotten, "{lost:?}");
            assert_eq!(
                (kept.return_held_token.is_none(), kept.return_withdrawn_at.is_none()),
                (return_forgotten, return_forgotten)
            );
        }
    }
}
