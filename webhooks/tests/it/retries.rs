//! Failures, and what is tried again when.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{DeliveryStatus, now, payment_log};
use fixtures::{TestDatabase, on_both};
use payments::Acceptor;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use webhooks::Config;

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, event, until},
};

on_both!(every_attempt_sends_the_same_bytes_under_the_same_id, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { schedule_s: vec![1, 1], ..config() }).await;
    let receiver = Receiver::start(|_, before| Reply::Status(if before < 2 { 503 } else { 200 })).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|one| one.body == received[0].body && one.id() == received[0].id()));
    let pauses = received.windows(2).map(|two| two[1].at - two[0].at);
    assert!(pauses.into_iter().all(|pause| pause >= Duration::from_millis(800)), "{received:?}");
    assert_ne!(received[0].header("webhook-timestamp"), received[2].header("webhook-timestamp"));
    let delivery = rig.delivery(id).await;
    let attempts = rig.attempts(delivery.id).await;
    let told: Vec<_> = attempts.iter().map(|attempt| (attempt.number, attempt.status)).collect();
    assert_eq!(told, [(1, Some(503)), (2, Some(503)), (3, Some(200))]);
    assert_eq!((rig.row(id).await.failures, rig.row(id).await.failing_since), (0, None));
});

on_both!(after_the_last_attempt_it_is_given_up, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { schedule_s: vec![0], ..config() }).await;
    let receiver = Receiver::always(Reply::Status(500)).await;
    let id = rig.endpoint(&receiver.url()).await;
    let acceptor = Acceptor::start(rig.db().clone());
    let accepted = acceptor.accept(&rig.merchant.caller(), rig.merchant.payment("one")).await.unwrap();
    let process = rig.start();
    rig.announce(&[event(rig.merchant.node_id, Some(accepted.payment.id), 0)]).await;
    until("given up", async || rig.count(id, DeliveryStatus::Failed).await == 1).await;
    process.stop().await;
    let delivery = rig.delivery(id).await;
    assert_eq!((delivery.attempts, delivery.last_status, delivery.next_attempt_at), (2, Some(500), None));
    assert_eq!(delivery.last_error.as_deref(), Some("answered 500"));
    assert_eq!((receiver.count(), rig.row(id).await.failures), (2, 2));
    let of_webhooks = payment_log::Column::EventType.eq("webhook.failed");
    let traces = payment_log::Entity::find().filter(of_webhooks).all(&**rig.db()).await.unwrap();
    assert_eq!(traces.len(), 2);
    assert!(traces.iter().any(|trace| trace.message.ends_with("it is given up")), "{traces:?}");
});

/// When the next attempt is after an answer with this header, and a pause of five seconds in the schedule.
async fn next_after(rig: &Rig, retry_after: String) -> (DateTime<Utc>, DateTime<Utc>) {
    let answer = format!("HTTP/1.1 429 x\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::always(Reply::Raw(answer.into_bytes())).await;
    let id = rig.endpoint(&receiver.url()).await;
    let before = now();
    rig.announce(&rig.events(1)).await;
    until("an attempt", async || rig.delivery(id).await.attempts == 1).await;
    rig.until_free(id).await;
    let delivery = rig.delivery(id).await;
    assert_eq!((delivery.status, delivery.last_status), (DeliveryStatus::Pending, Some(429)));
    let next = delivery.next_attempt_at.unwrap();
    assert_eq!(rig.row(id).await.due_at, Some(next), "the lane sleeps until then");
    rig.change(entities::webhook_endpoint::ActiveModel {
        id: sea_orm::ActiveValue::Set(id),
        deleted_at: sea_orm::ActiveValue::Set(Some(now())),
        ..Default::default()
    })
    .await;
    (before, next)
}

on_both!(an_endpoint_may_delay_but_not_hasten_and_not_for_ever, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { schedule_s: vec![5], ..config() }).await;
    let process = rig.start();
    for (asked_for, from, to) in [
        ("3600".to_owned(), TimeDelta::seconds(3_600), TimeDelta::seconds(3_700)),
        ("0".to_owned(), TimeDelta::seconds(4), TimeDelta::seconds(100)),
        (
            "Wed, 01 Jan 3000 00:00:00 GMT".to_owned(),
            TimeDelta::hours(10),
            TimeDelta::hours(10) + TimeDelta::seconds(99),
        ),
        (
            (now() + TimeDelta::hours(2)).format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            TimeDelta::minutes(119),
            TimeDelta::minutes(122),
        ),
        ("nonsense".to_owned(), TimeDelta::seconds(4), TimeDelta::seconds(100)),
    ] {
        let (before, next) = next_after(&rig, asked_for.clone()).await;
        assert!(next >= before + from && next <= before + to, "{asked_for}: {}", next - before);
    }
    process.stop().await;
});

on_both!(a_rate_is_kept_over_two_processes, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint_as(&receiver.url(), |row| row.rate_per_second = Some(10)).await;
    let (one, other) = (rig.start(), rig.start());
    rig.announce(&rig.events(16)).await;
    rig.until_delivered(id, 16).await;
    one.stop().await;
    other.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 16, "each once");
    // 15 pauses of 100 ms, less what may be caught up and what the clocks of a busy machine make of it.
    assert!(received[15].at - received[0].at >= Duration::from_millis(1_200), "too fast");
});
