//! What has had its time is forgotten, and nothing else.

use chrono::TimeDelta;
use entities::{DeliveryStatus, event, now, webhook_attempt, webhook_body, webhook_delivery};
use fixtures::{TestDatabase, on_both};
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait, QueryFilter, prelude::*};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, until},
};

on_both!(what_is_old_goes_unless_it_is_still_owed, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    rig.announce(&rig.events(3)).await;
    rig.until_delivered(id, 3).await;
    process.stop().await;
    let [old, asked_for, _new] = <[_; 3]>::try_from(rig.deliveries(id).await).unwrap();
    let long_ago = now() - TimeDelta::days(100);
    let tx = rig.db().begin().await.unwrap();
    for delivery in [&old, &asked_for] {
        let row =
            webhook_delivery::ActiveModel { id: Set(delivery.id), created_at: Set(long_ago), ..Default::default() };
        webhook_delivery::Entity::update(row).exec(&*tx).await.unwrap();
        webhook_body::Entity::update_many()
            .col_expr(webhook_body::Column::CreatedAt, Expr::value(long_ago))
            .filter(webhook_body::Column::EventId.eq(delivery.event_id))
            .exec(&*tx)
            .await
            .unwrap();
        event::Entity::update_many()
            .col_expr(event::Column::CreatedAt, Expr::value(long_ago))
            .filter(event::Column::Id.eq(delivery.event_id))
            .exec(&*tx)
            .await
            .unwrap();
    }
    let again = webhook_delivery::ActiveModel {
        id: Set(asked_for.id),
        status: Set(DeliveryStatus::Pending),
        next_attempt_at: Set(Some(now())),
        ..Default::default()
    };
    webhook_delivery::Entity::update(again).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    webhooks::forget_before(rig.db(), now() - TimeDelta::days(90)).await.unwrap();
    let left: Vec<_> = rig.deliveries(id).await.iter().map(|delivery| delivery.id).collect();
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&old.id));
    assert_eq!(webhook_body::Entity::find().count(&**rig.db()).await.unwrap(), 2);
    assert_eq!(webhook_attempt::Entity::find().count(&**rig.db()).await.unwrap(), 2);
});

on_both!(a_delivery_without_its_body_is_given_up, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    rig.announce(&rig.events(1)).await;
    let tx = rig.db().begin().await.unwrap();
    webhook_body::Entity::delete_many().exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let process = rig.start();
    until("given up", async || rig.count(id, DeliveryStatus::Failed).await == 1).await;
    process.stop().await;
    let delivery = rig.delivery(id).await;
    assert_eq!((delivery.attempts, receiver.count()), (0, 0));
    assert_eq!(delivery.last_error.as_deref(), Some("the event's body is no longer kept"));
});
