//! Payments whose message is gone, as it is with a queue that somebody deleted.

use chrono::TimeDelta;
use entities::{PaymentId, PaymentStatus, payment};
use fixtures::{TestDatabase, on_both};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, prelude::*};

use crate::{
    Worker,
    jobs::{deposited, opened, operation},
};

impl Worker {
    /// Every message there is gets lost.
    pub(crate) async fn lose_messages(&self) {
        self.db().execute_unprepared("DELETE FROM outbox").await.unwrap();
    }

    async fn take_up(&self, patience: TimeDelta) -> usize {
        let context = crate::context(self.db());
        worker::take_up_stragglers(&context, patience).await
    }

    /// Opened, with every message since then lost.
    async fn opened(&self, external_id: &str) -> PaymentId {
        let id = self.accept(external_id).await;
        self.run().await;
        self.record_facts(vec![opened(id)]).await;
        self.lose_messages().await;
        id
    }
}

on_both!(a_payment_whose_opening_got_lost_is_opened, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    worker.accept("one").await;
    worker.lose_messages().await;
    worker.run().await;
    assert!(worker.operations().await.is_empty());
    assert_eq!(worker.take_up(TimeDelta::minutes(10)).await, 0, "its message may still come");
    for _ in 0..2 {
        worker.take_up(TimeDelta::zero()).await;
    }
    assert_eq!(worker.operations().await, [operation("open", "pending")]);
});

on_both!(a_payment_on_another_rail_is_left_alone, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("card").await;
    worker.db().execute_unprepared("UPDATE payments SET payment_method = 'credit_card'").await.unwrap();
    worker.lose_messages().await;
    assert_eq!(worker.take_up(TimeDelta::zero()).await, 0);
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Pending);
});

on_both!(a_cancel_a_release_and_an_expiry_that_got_lost_are_done, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let canceled = worker.opened("canceled").await;
    worker.cancel(canceled).await;
    let released = worker.opened("released").await;
    worker.record_facts(vec![deposited(released)]).await;
    worker.release(released).await;
    let expired = worker.opened("expired").await;
    let until = worker.payment(expired).await.expires_at;
    worker.lose_messages().await;
    worker.take_up(TimeDelta::zero()).await;
    let rows = worker.operations().await;
    assert!(rows.contains(&operation("cancel", "pending")) && rows.contains(&operation("release", "pending")));
    assert_eq!(worker.payment(expired).await.status, PaymentStatus::Open, "its time is not over");

    // Seen from a day after its expiry: the chain was read beyond it and shows no deposit.
    worker.read_until(until + TimeDelta::days(1)).await;
    let past = entities::now() - until - TimeDelta::days(1);
    worker.take_up(past).await;
    assert_eq!(worker.payment(expired).await.status, PaymentStatus::Expired);
    worker.lose_messages().await;
    worker.take_up(TimeDelta::zero()).await;
    let cancels = worker.operations().await.iter().filter(|(kind, _)| kind == "cancel").count();
    assert_eq!(cancels, 2, "the expired one's deal is closed as well");
});

on_both!(one_bad_payment_holds_up_no_other, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let (bad, good, canceled) = (worker.opened("bad").await, worker.opened("good").await, worker.opened("late").await);
    worker.record_facts(vec![deposited(bad), deposited(good)]).await;
    for id in [bad, good] {
        worker.release(id).await;
    }
    worker.cancel(canceled).await;
    worker.lose_messages().await;
    let mut row: entities::payment::ActiveModel = worker.payment(bad).await.into();
    row.diamond_address = sea_orm::ActiveValue::Set(None);
    entities::payment::Entity::update(row).exec(&**worker.db()).await.unwrap();

    assert_eq!(worker.take_up(TimeDelta::zero()).await, 2, "its neighbour, and a step after its own");
    let rows = worker.operations().await;
    let of = |kind: &str| rows.iter().filter(|(row, _)| row == kind).count();
    assert_eq!((of("release"), of("cancel")), (1, 1), "{rows:?}");
    assert_eq!(worker.take_up(TimeDelta::zero()).await, 0, "what is asked for already is not counted again");
});

on_both!(what_only_waits_is_not_counted_as_missing, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    entities::diamond::Entity::delete_many().exec(&**worker.db()).await.unwrap();
    for number in 0..3 {
        worker.accept(&format!("order-{number}")).await;
    }
    for _ in 0..2 {
        assert_eq!(worker.take_up(TimeDelta::zero()).await, 0, "they wait for their wallet's diamond");
    }
});

on_both!(more_than_a_transaction_takes_are_taken_up, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    for number in 0..105 {
        worker.accept(&format!("order-{number}")).await;
    }
    worker.lose_messages().await;
    assert_eq!(worker.take_up(TimeDelta::zero()).await, 105);
    assert_eq!(worker.operations().await.len(), 105);
});

on_both!(what_was_never_sent_expires_and_what_was_sent_does_not, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let (waiting, sent, early) = (worker.accept("one").await, worker.accept("two").await, worker.accept("three").await);
    worker.run().await;
    let over = |id: PaymentId| {
        let at = chrono::Utc::now() - TimeDelta::minutes(1);
        payment::Entity::update_many()
            .col_expr(payment::Column::ExpiresAt, Expr::value(at))
            .filter(payment::Column::Id.eq(id))
            .exec(&**worker.db())
    };
    for id in [waiting, sent] {
        over(id).await.unwrap();
    }
    let in_a_transaction = "UPDATE chain_operations SET status = 'sending', sends = 1 WHERE subject_id = $1";
    let backend = worker.db().get_database_backend();
    worker
        .db()
        .execute_raw(sea_orm::Statement::from_sql_and_values(backend, in_a_transaction, [sent.0.into()]))
        .await
        .unwrap();
    let context = crate::context(worker.db());
    assert_eq!(worker::lapse_stragglers(&context).await.unwrap(), 1);
    assert_eq!(worker::lapse_stragglers(&context).await.unwrap(), 0);
    assert_eq!(worker.payment(waiting).await.status, PaymentStatus::Expired);
    assert_eq!(worker.payment(sent).await.status, PaymentStatus::Pending, "its facts tell what becomes of it");
    assert_eq!(worker.payment(early).await.status, PaymentStatus::Pending);
    assert_eq!(worker.operations().await[0], operation("open", "withdrawn"), "it is never sent");
});
