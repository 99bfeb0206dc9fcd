//! What is stored of a payment is what the machine has made of it, in every column and on both databases.

use entities::{ActorType, payment_log};
use fixtures::{Merchant, TestDatabase, on_both};
use proptest::{strategy::ValueTree, test_runner::TestRunner};
use queue::Database;
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, prelude::*};

use super::*;
use crate::{lock::Locked, off_chain, record::observe};

/// A payment of this merchant, written down.
async fn inserted(db: &Database, merchant: &Merchant, method: PaymentMethod) -> payment::Model {
    let sample = samples::payment(method, PaymentStatus::Pending);
    let row = payment::Model {
        node_id: merchant.node_id,
        chain_id: merchant.chain_id,
        network_id: merchant.network_id,
        currency_id: merchant.currency_id,
        external_id: sample.id.to_string(),
        retry: true,
        retry_count: 2,
        ..sample
    };
    let mut tx = db.begin().await.unwrap();
    assert!(off_chain::insert(&mut tx, row.clone(), &Actor::system().into()).await.unwrap());
    assert!(!off_chain::insert(&mut tx, row.clone(), &Actor::system().into()).await.unwrap(), "its name is taken");
    tx.commit().await.unwrap();
    row
}

async fn stored(db: &impl ConnectionTrait, id: PaymentId) -> payment::Model {
    payment::Entity::find().filter(payment::Column::Id.eq(id)).one(db).await.unwrap().unwrap()
}

on_both!(whatever_becomes_of_a_payment_is_stored_in_every_column, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let mut runner = TestRunner::deterministic();
    let lives = (methods(), vec(select(observations()), 1..12));
    let cases = if db.get_database_backend() == DatabaseBackend::Sqlite { 120 } else { 25 };
    let mut columns = std::collections::BTreeSet::new();
    for _ in 0..cases {
        let (method, life) = lives.new_tree(&mut runner).unwrap().current();
        let mut before = inserted(db, &merchant, method).await;
        let mut tx = db.begin().await.unwrap();
        for what in life {
            let (outcome, after) = observe(&mut tx, before.id, what.clone(), &Actor::chain(7).into()).await.unwrap();
            let now = stored(&*tx, before.id).await;
            match outcome {
                Outcome::Unchanged => assert_eq!(now, before, "{what:?} changed nothing"),
                Outcome::Moved(_) | Outcome::Noted => {
                    assert_eq!(now, after, "{what:?}");
                    assert!(now.updated_at >= before.updated_at);
                }
            }
            // Which columns these lives have changed at all.
            let (was, is) = (format!("{before:#?}"), format!("{now:#?}"));
            let name = |line: &str| line.split_once(": ").map(|(name, _)| name.trim().to_owned());
            columns.extend(is.lines().filter(|line| !was.contains(*line)).filter_map(name));
            before = now;
        }
        tx.commit().await.unwrap();
    }
    for column in ["status", "sequence", "resends", "deal_id", "failure_code", "failure_retryable", "diamond_address"] {
        assert!(columns.contains(column), "the lives are too tame for {column}: {columns:?}");
    }
});

on_both!(two_who_hold_one_payment_do_not_both_move_it, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let id = inserted(db, &merchant, PaymentMethod::Web3).await.id;
    let mut tx = db.begin().await.unwrap();
    // No lock keeps a transaction from itself; the number that was read does.
    let (mut one, mut other) = (Locked::known(&tx, id).await.unwrap(), Locked::known(&tx, id).await.unwrap());
    let requested_by: RequestedBy = Actor::system().into();
    assert_eq!(one.observe(Observation::CancelRequested, &requested_by), Outcome::Moved(PaymentStatus::Canceled));
    assert_eq!(other.observe(Observation::NeverSent, &requested_by), Outcome::Moved(PaymentStatus::Expired));
    one.save(&mut tx).await.unwrap();
    let late = other.save(&mut tx).await;
    assert!(matches!(late, Err(sea_orm::DbErr::RecordNotUpdated)), "{late:?}");
    assert!(Locked::find(&tx, PaymentId::new()).await.unwrap().is_none());
    assert!(matches!(Locked::known(&tx, PaymentId::new()).await, Err(sea_orm::DbErr::RecordNotFound(_))));
});

on_both!(a_log_says_who_did_what_in_which_request, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let id = inserted(db, &merchant, PaymentMethod::Web3).await.id;
    let requested_by = RequestedBy { actor: Actor::worker("open_deal"), request_id: Some("r".to_owned()) };
    let mut tx = db.begin().await.unwrap();
    let held = Closing::Held { payer: "0xp".to_owned(), token: None, amount_base_units: "1".to_owned() };
    for what in [
        Observation::SendingStarted { diamond_address: "0xd".to_owned() },
        Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: Some("0xa".to_owned()) },
        Observation::DepositFinal { data: json!({}) },
        Observation::DealCanceled { deposit: held, transaction_hash: Some("0xb".to_owned()) },
        Observation::ReturnWithdrawn { at: entities::now(), data: json!({}) },
    ] {
        observe(&mut tx, id, what, &requested_by).await.unwrap();
    }
    tx.commit().await.unwrap();
    let payment = stored(&**db, id).await;
    assert_eq!(
        (payment.transaction_hash.as_deref(), payment.cancel_transaction_hash.as_deref()),
        (Some("0xa"), Some("0xb"))
    );
    assert_eq!((payment.return_held_for.as_deref(), payment.return_withdrawn_at.is_some()), (Some("0xp"), true));
    let log = payment_log::Entity::find().filter(payment_log::Column::PaymentId.eq(id));
    let log = log.order_by_asc(payment_log::Column::Id).all(&**db).await.unwrap();
    for row in &log[1..] {
        assert_eq!((row.actor_type, row.actor_id.as_deref()), (ActorType::Worker, Some("open_deal")), "{row:?}");
        assert_eq!(row.data["request_id"], "r", "{row:?}");
    }
    let numbers: Vec<i32> = log.iter().filter_map(|row| row.sequence).collect();
    assert_eq!(numbers, (1..=payment.sequence).collect::<Vec<_>>(), "in the order in which they were observed");
});
