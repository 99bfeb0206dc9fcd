//! What an operator may say of a payment in review, and what follows.

use entities::{PaymentId, PaymentStatus, payment, payment_log};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Caller, Closing, Denied, Observation, Outcome,
    rail::{Lost, Shown},
    reviews::{self, Resolved},
    verdict::{self, VerdictError},
};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::json;

use super::{accepted, messages, observe, read, transitions};

async fn resolve(db: &Database, caller: &Caller, id: PaymentId, to: PaymentStatus) -> Result<Resolved, VerdictError> {
    let mut tx = db.begin().await.unwrap();
    let resolved = reviews::resolve(&mut tx, caller, id, to, "a good reason", Some("request-1")).await?;
    tx.commit().await.unwrap();
    Ok(resolved)
}

fn opened(deal_id: &str) -> Observation {
    Observation::DealOpened { deal_id: deal_id.to_owned(), transaction_hash: Some("0xa".to_owned()) }
}

fn started() -> Observation {
    Observation::SendingStarted { diamond_address: "0xd".to_owned() }
}

fn lost(lost: Lost) -> Observation {
    Observation::FinalityBroken { lost, data: json!({}) }
}

fn closed(deposit: Closing) -> Observation {
    Observation::DealCanceled { deposit, transaction_hash: None }
}

fn held() -> Closing {
    Closing::Held { payer: "0xb".into(), token: None, amount_base_units: "7".into() }
}

/// A life that ends in review with the rail showing this.
fn life(shown: Shown) -> Vec<Observation> {
    let deposit = || json!({ "payer": "0xb" });
    let deposited = || Observation::DepositSeen { data: deposit() };
    let paid = || Observation::DepositFinal { data: deposit() };
    let rest = match shown {
        Shown::Nothing => return vec![started(), Observation::OutcomeUnknown { data: json!({ "attempts": [] }) }],
        Shown::DealOpen => vec![],
        Shown::DepositSeen => vec![deposited()],
        Shown::DepositFinal => vec![deposited(), paid()],
        Shown::Released => vec![deposited(), paid(), Observation::Released { transaction_hash: None }],
        Shown::Returned => vec![deposited(), paid(), closed(Closing::Returned)],
        Shown::ReturnHeld => vec![deposited(), paid(), closed(held())],
        Shown::Closed => vec![closed(Closing::Nothing)],
    };
    // A success that comes after it had been given up.
    let failed = Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: false };
    [started(), failed, opened("7")].into_iter().chain(rest).collect()
}

/// A payment in review whose rail shows this.
async fn in_review(db: &Database, merchant: &Merchant, name: &str, shown: Shown) -> PaymentId {
    let acceptor = payments::Acceptor::start(db.clone());
    let id = acceptor.accept(&merchant.caller(), merchant.payment(name)).await.unwrap().payment.id;
    for observation in life(shown) {
        observe(db, id, observation).await;
    }
    assert_eq!(read(db, id).await.status, PaymentStatus::NeedsReview, "{shown:?}");
    id
}

async fn last_row(db: &Database, id: PaymentId) -> payment_log::Model {
    let rows = payment_log::Entity::find().filter(payment_log::Column::PaymentId.eq(id));
    rows.order_by_desc(payment_log::Column::Sequence)
        .filter(payment_log::Column::Sequence.is_not_null())
        .one(&**db)
        .await
        .unwrap()
        .unwrap()
}

/// What each state is to be followed by.
fn enqueued(to: PaymentStatus) -> Option<&'static str> {
    match to {
        PaymentStatus::Pending => Some("open_deal"),
        PaymentStatus::Open => Some("expire_payment"),
        PaymentStatus::Canceling => Some("cancel_deal"),
        _ => None,
    }
}

on_both!(each_verdict_is_allowed_where_the_rail_bears_it_and_nowhere_else, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    for shown in Shown::ALL {
        let review = in_review(db, &merchant, shown.word(), *shown).await;
        let offered: Vec<PaymentStatus> =
            verdict::review(db, &merchant.caller(), review).await.unwrap().allowed.iter().map(|rule| rule.to).collect();
        assert!(!offered.is_empty(), "{shown:?}");
        for to in PaymentStatus::ALL {
            if !offered.contains(to) {
                match resolve(db, &merchant.caller(), review, *to).await {
                    Err(VerdictError::NotAllowed { allowed, .. }) => assert_eq!(allowed, offered, "{shown:?} {to}"),
                    other => panic!("{shown:?} {to}: {other:?}"),
                }
                assert_eq!(read(db, review).await.status, PaymentStatus::NeedsReview, "nothing has changed");
                continue;
            }
            let id = in_review(db, &merchant, &format!("{} {to}", shown.word()), *shown).await;
            let before = messages(db, id).await.len();
            let resolved = resolve(db, &merchant.caller(), id, *to).await.unwrap();
            assert_eq!((resolved.payment.status, resolved.by), (*to, Some(*shown)));
            let sent = messages(db, id).await;
            assert_eq!(sent[before..].first().map(String::as_str), enqueued(*to), "{shown:?} {to}");
            assert_eq!(sent.len() - before, usize::from(enqueued(*to).is_some()));
            let row = last_row(db, id).await;
            assert_eq!(row.event_type, payments::observation::event_type(*to));
            assert_eq!(
                (row.actor_type, row.sequence),
                (entities::ActorType::Operator, Some(resolved.payment.sequence))
            );
            assert_eq!(row.actor_id, merchant_actor(&row));
            for (field, value) in [("reason", "a good reason"), ("trigger", "verdict"), ("request_id", "request-1")] {
                assert_eq!(row.data[field], value);
            }
            transitions(db, id).await;
        }
    }
});

/// Each `caller()` is another integration; that there is one is what counts.
fn merchant_actor(row: &payment_log::Model) -> Option<String> {
    let id = row.actor_id.clone();
    assert!(id.as_ref().is_some_and(|id| id.parse::<Uuid>().is_ok()), "{id:?}");
    id
}

on_both!(the_same_verdict_again_is_harmless_and_another_one_comes_too_late, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let (caller, id) = (merchant.caller(), in_review(db, &merchant, "one", Shown::Nothing).await);
    assert_eq!(resolve(db, &caller, id, PaymentStatus::Failed).await.unwrap().by, Some(Shown::Nothing));
    let announced = transitions(db, id).await;
    assert_eq!(resolve(db, &caller, id, PaymentStatus::Failed).await.unwrap().by, None);
    let late = resolve(db, &caller, id, PaymentStatus::Canceled).await;
    assert!(matches!(late, Err(VerdictError::NotInReview(PaymentStatus::Failed))), "{late:?}");
    assert_eq!(transitions(db, id).await, announced);
    let stored = read(db, id).await;
    assert_eq!(stored.failure_message.as_deref(), Some("a good reason"));

    // The deal turns up after all: that is a new review, and the old verdict is none.
    assert_eq!(observe(db, id, opened("7")).await, Outcome::Moved(PaymentStatus::NeedsReview));
    let old = resolve(db, &caller, id, PaymentStatus::Failed).await;
    assert!(matches!(old, Err(VerdictError::NotAllowed { shown: Shown::DealOpen, .. })), "{old:?}");
    assert_eq!(resolve(db, &caller, id, PaymentStatus::Open).await.unwrap().payment.status, PaymentStatus::Open);
    // It has moved on since: whoever did not get the answer and asks again is told so.
    observe(db, id, Observation::DepositFinal { data: json!({}) }).await;
    let again = resolve(db, &caller, id, PaymentStatus::Open).await.unwrap();
    assert_eq!((again.by, again.payment.status), (None, PaymentStatus::Paid));
});

on_both!(of_two_operators_one_decides, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    for round in 0..8 {
        let id = in_review(db, &merchant, &format!("round {round}"), Shown::DealOpen).await;
        let caller = merchant.caller();
        let (one, other) = tokio::join!(
            resolve(db, &caller, id, PaymentStatus::Open),
            resolve(db, &caller, id, PaymentStatus::Canceling),
        );
        let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
        let status = won.unwrap().payment.status;
        assert!(matches!(lost, Err(VerdictError::NotInReview(was)) if was == status), "{lost:?}");
        assert_eq!(read(db, id).await.status, status);
        assert_eq!(transitions(db, id).await.len(), 4, "created, failed, in review, and one verdict");
    }
});

on_both!(what_was_lost_and_found_again_decides_what_may_be_said, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let acceptor = payments::Acceptor::start(db.clone());
    let id = acceptor.accept(&merchant.caller(), merchant.payment("one")).await.unwrap().payment.id;
    let paid = || Observation::DepositFinal { data: json!({}) };
    for observation in [started(), opened("7"), paid(), Observation::ReleaseRequested, lost(Lost::DealDeposited)] {
        observe(db, id, observation).await;
    }
    let review = verdict::review(db, &merchant.caller(), id).await.unwrap();
    assert_eq!((review.rail.shown(), review.rail.lost()), (Shown::DealOpen, Some(Lost::DealDeposited)));
    assert_eq!(review.cause.unwrap().data["lost"], "DealDeposited");

    // The deposit comes back before anybody has decided.
    observe(db, id, paid()).await;
    let review = verdict::review(db, &merchant.caller(), id).await.unwrap();
    assert_eq!((review.rail.shown(), review.rail.lost()), (Shown::DepositFinal, None));
    assert_eq!(review.noted.len(), 1);
    resolve(db, &merchant.caller(), id, PaymentStatus::Paid).await.unwrap();
    let sent = messages(db, id).await;
    assert_eq!(sent.iter().filter(|kind| *kind == "release_deal").count(), 2, "the release was asked for: {sent:?}");
});

on_both!(a_deal_that_was_lost_is_opened_once_more, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    let (db, id) = (&database.db, payment.id);
    for observation in [started(), opened("7"), Observation::DepositFinal { data: json!({}) }] {
        observe(db, id, observation).await;
    }
    for event in [Lost::DealCreated, Lost::DealDeposited] {
        observe(db, id, lost(event)).await;
    }
    assert_eq!(read(db, id).await.deal_id, None);
    resolve(db, &merchant.caller(), id, PaymentStatus::Pending).await.unwrap();
    // Something may be on its way: a cancel goes through the chain.
    assert!(read(db, id).await.sending_since.is_some());
    assert_eq!(observe(db, id, opened("7")).await, Outcome::Moved(PaymentStatus::Open));
    assert_eq!(read(db, id).await.deal_id.as_deref(), Some("7"));
});

on_both!(what_cannot_be_sent_is_not_sent_again, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = in_review(db, &merchant, "one", Shown::Nothing).await;
    let over = payment::ActiveModel {
        id: sea_orm::ActiveValue::Set(id),
        expires_at: sea_orm::ActiveValue::Set(entities::now() - chrono::TimeDelta::seconds(1)),
        ..Default::default()
    };
    payment::Entity::update(over).exec(&**db).await.unwrap();
    let refused = resolve(db, &merchant.caller(), id, PaymentStatus::Pending).await;
    assert!(matches!(refused, Err(VerdictError::NotAllowed { .. })), "{refused:?}");
    let refusal = refused.unwrap_err().to_string();
    assert!(refusal.contains("failed or canceled, not pending"), "{refusal}");
});

on_both!(another_tenant_decides_nothing, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = in_review(db, &merchant, "one", Shown::Nothing).await;
    let other = Merchant::insert(db, 2).await.caller();
    let refused = resolve(db, &other, id, PaymentStatus::Failed).await;
    assert!(matches!(refused, Err(VerdictError::Denied(Denied::OutOfReach))), "{refused:?}");
    assert!(matches!(verdict::review(db, &other, id).await, Err(Denied::OutOfReach)));
    assert_eq!(read(db, id).await.status, PaymentStatus::NeedsReview);
});
