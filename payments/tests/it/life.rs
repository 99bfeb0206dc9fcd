//! Lives of payments: told in order, whatever comes twice, late or out of order.

use std::time::Duration;

use entities::PaymentStatus;
use fixtures::{Backend, TestDatabase, on_both};
use payments::{Actor, Closing, Observation, Observed, Outcome, rail::Lost, transition};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::json;

use super::{accepted, messages, observe, read, transitions};

fn facts() -> Vec<Observation> {
    let hash = || Some("0xa".to_owned());
    vec![
        Observation::SendingStarted { diamond_address: "0xd".to_owned() },
        Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: hash() },
        Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: true },
        Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: false },
        Observation::DepositSeen { data: json!({}) },
        Observation::DepositGone { data: json!({}) },
        Observation::DepositFinal { data: json!({}) },
        Observation::ReleaseRequested,
        Observation::Released { transaction_hash: hash() },
        Observation::CancelRequested,
        Observation::NothingSent,
        Observation::CancelFailed { code: "x".into(), message: "y".into() },
        Observation::DealCanceled { deposit: Closing::Nothing, transaction_hash: hash() },
        Observation::DealCanceled { deposit: Closing::Returned, transaction_hash: hash() },
        Observation::RetryRequested,
        Observation::Expired,
        Observation::FinalityBroken { lost: Lost::DealDeposited, data: json!({}) },
        Observation::OutcomeUnknown { data: json!({}) },
    ]
}

on_both!(a_payment_is_opened_paid_and_released, async |database: TestDatabase| {
    let (_, payment) = accepted(&database).await;
    let hash = Some("0xa".to_owned());
    let life = [
        Observation::SendingStarted { diamond_address: "0xd".to_owned() },
        Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: hash.clone() },
        Observation::DepositSeen { data: json!({}) },
        Observation::DepositFinal { data: json!({}) },
        Observation::ReleaseRequested,
        Observation::Released { transaction_hash: hash },
    ];
    for fact in life {
        observe(&database.db, payment.id, fact.clone()).await;
        // Everything may be told twice.
        assert!(!matches!(observe(&database.db, payment.id, fact).await, Outcome::Moved(_)));
    }
    let announced = transitions(&database.db, payment.id).await;
    let wanted = ["created", "open", "submitted", "paid", "completed"].map(|event| format!("payment.{event}"));
    assert_eq!(announced, wanted);
    let stored = read(&database.db, payment.id).await;
    assert_eq!((stored.status, stored.transaction_hash.as_deref()), (PaymentStatus::Completed, Some("0xa")));
});

on_both!(a_deposit_that_is_final_when_first_observed_is_still_submitted_first, async |database: TestDatabase| {
    let (_, payment) = accepted(&database).await;
    observe(&database.db, payment.id, facts()[1].clone()).await;
    observe(&database.db, payment.id, Observation::DepositFinal { data: json!({}) }).await;
    let announced = transitions(&database.db, payment.id).await;
    assert_eq!(announced[2..], ["payment.submitted", "payment.paid"]);
});

on_both!(a_failed_send_is_repeated_until_its_resends_are_used_up, async |database: TestDatabase| {
    let (_, payment) = accepted(&database).await;
    let failed = Observation::SendFailed { code: "reverted".into(), message: "m".into(), retryable: true };
    for _ in 0..8 {
        assert_eq!(observe(&database.db, payment.id, failed.clone()).await, Outcome::Noted);
    }
    assert_eq!(observe(&database.db, payment.id, failed).await, Outcome::Moved(PaymentStatus::Failed));
    let stored = read(&database.db, payment.id).await;
    assert_eq!(stored.failure_code.as_deref(), Some("reverted"));
    assert_eq!(messages(&database.db, payment.id).await.len(), 9, "the first send and eight resends");
});

on_both!(a_late_deal_of_a_failed_payment_is_reviewed, async |database: TestDatabase| {
    let (_, payment) = accepted(&database).await;
    observe(&database.db, payment.id, facts()[3].clone()).await;
    let outcome = observe(&database.db, payment.id, facts()[1].clone()).await;
    assert_eq!(outcome, Outcome::Moved(PaymentStatus::NeedsReview));
});

on_both!(whatever_comes_in_any_order_moves_only_along_the_table, async |database: TestDatabase| {
    let merchant = fixtures::Merchant::insert(&database.db, 1).await;
    let acceptor = payments::Acceptor::start(database.db.clone());
    let orders = proptest::collection::vec(proptest::sample::select(facts()), 1..25);
    let mut runner = TestRunner::deterministic();
    for case in 0..24 {
        let order = orders.new_tree(&mut runner).unwrap().current();
        let new = merchant.payment(&format!("case-{case}"));
        let payment = acceptor.accept(&merchant.caller(), new).await.unwrap().payment;
        let mut status = payment.status;
        for fact in &order {
            let outcome = observe(&database.db, payment.id, fact.clone()).await;
            let stored = read(&database.db, payment.id).await;
            match outcome {
                Outcome::Moved(to) => {
                    // One observation may hold two moves: a final deposit is seen first.
                    let reachable = |from| transition::RULES.iter().filter(move |rule| rule.from.contains(&from));
                    let direct = reachable(status).any(|rule| rule.to == to);
                    let via = reachable(status).any(|rule| reachable(rule.to).any(|next| next.to == to));
                    assert!(direct || via, "{status} -> {to} by {fact:?} in {order:?}");
                    assert_eq!(stored.status, to);
                }
                Outcome::Noted | Outcome::Unchanged => assert_eq!(stored.status, status, "{fact:?} in {order:?}"),
            }
            status = stored.status;
        }
        let announced = transitions(&database.db, payment.id).await;
        assert_eq!(i32::try_from(announced.len()).unwrap(), read(&database.db, payment.id).await.sequence);
    }
});

/// Whoever writes a trace may hold a payment of its own meanwhile; waiting for another's would hold up both.
#[tokio::test]
async fn who_only_writes_to_a_log_waits_for_no_payment() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (_, payment) = accepted(&database).await;
    let mut changing = database.db.begin().await.unwrap();
    let opened = Observed::new(payment.id, Observation::CancelRequested, Actor::worker("test"));
    assert_eq!(payments::record(&mut changing, vec![opened]).await.unwrap(), [Outcome::Moved(PaymentStatus::Canceled)]);
    let trace = Observation::Trace { event_type: "attempt.signed", message: "Signed".to_owned(), data: json!({}) };
    let written = tokio::time::timeout(Duration::from_secs(2), observe(&database.db, payment.id, trace)).await;
    assert!(written.is_ok(), "a trace waited for the payment's lock");
    changing.commit().await.unwrap();
    assert!(transitions(&database.db, payment.id).await.contains(&"payment.canceled".to_owned()));
}
