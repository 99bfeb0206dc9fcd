//! Bank transfers, which no chain knows of.

use chrono::TimeDelta;
use entities::{PaymentMethod, PaymentStatus, now, payment};
use fixtures::{TestDatabase, on_both};
use payments::Acceptor;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use crate::Worker;

on_both!(a_transfer_that_nobody_makes_expires_by_the_clock, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let mut new = worker.merchant.payment("transfer");
    new.payment_method = PaymentMethod::BankTransfer;
    let id = Acceptor::start(worker.db().clone()).accept(&worker.merchant.caller(), new).await.unwrap().payment.id;
    let expire = payments::jobs::ExpirePayment { payment_id: id };
    worker.run().await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open, "its time is not over");
    payment::Entity::update_many()
        .col_expr(payment::Column::ExpiresAt, Expr::value(now() - TimeDelta::seconds(1)))
        .filter(payment::Column::Id.eq(id))
        .exec(&**worker.db())
        .await
        .unwrap();
    for _ in 0..2 {
        worker.deliver(queue::NewMessage::of(&expire)).await;
        assert_eq!(worker.payment(id).await.status, PaymentStatus::Expired);
    }
    assert!(worker.operations().await.is_empty(), "no chain is asked for anything");
});
