//! Payments over real databases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "a test looks at any tenant's rows")]

mod accept;
mod batches;
mod checkout;
mod commands;
mod debts;
mod idempotency;
mod ledger;
mod life;
mod lightning;
mod listings;
mod lists;
mod model;
mod orders;
mod rates;
mod reach;
mod receipt_references;
mod receipts;
mod records;
mod rows;
mod sellers;
mod sessions;
mod subjects;
mod tickets;
mod till;
mod untouched_orders;
mod uploads;
mod verdicts;

use entities::{PaymentId, payment, payment_log};
use fixtures::{Merchant, TestDatabase};
use payments::{Acceptor, Actor, Observation, Observed, Outcome};
use queue::Database;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement, prelude::*};

/// An accepted payment and its merchant.
async fn accepted(database: &TestDatabase) -> (Merchant, payment::Model) {
    let merchant = Merchant::insert(&database.db, 1).await;
    let payment = accepted_by(&database.db, &merchant, "one").await;
    (merchant, payment)
}

/// A payment of this merchant.
async fn accepted_by(db: &Database, merchant: &Merchant, external_id: &str) -> payment::Model {
    let accepted = Acceptor::start(db.clone()).accept(&merchant.caller(), merchant.payment(external_id)).await;
    accepted.expect("accepted").payment
}

async fn observe(db: &Database, id: PaymentId, what: Observation) -> Outcome {
    let mut tx = db.begin().await.unwrap();
    let outcomes = payments::record(&mut tx, vec![Observed::new(id, what, Actor::worker("test"))]).await.unwrap();
    tx.commit().await.unwrap();
    outcomes[0]
}

async fn read(db: &Database, id: PaymentId) -> payment::Model {
    payment::Entity::find_by_id(id).one(&**db).await.unwrap().expect("it exists")
}

/// The numbered rows of its log, checked to be complete.
async fn transitions(db: &Database, id: PaymentId) -> Vec<String> {
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(id))
        .filter(payment_log::Column::Sequence.is_not_null())
        .order_by_asc(payment_log::Column::Id)
        .all(&**db)
        .await
        .unwrap();
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.sequence, Some(i32::try_from(index).unwrap() + 1), "the numbers rise by one");
    }
    rows.into_iter().map(|row| row.event_type).collect()
}

/// Kinds of the messages in the outbox that have something done about a payment, oldest first; not those that tell of it.
async fn messages(db: &Database, id: PaymentId) -> Vec<String> {
    let sql = format!("SELECT kind FROM outbox WHERE payload LIKE '%{id}%' AND kind <> 'announce_events' ORDER BY id");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "kind").unwrap()).collect()
}
