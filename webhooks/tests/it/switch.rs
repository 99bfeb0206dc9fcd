//! Endpoints that are disabled, by themselves or by somebody, and enabled again.

use chrono::TimeDelta;
use entities::{DeliveryStatus, WebhookStatus, now};
use fixtures::{TestDatabase, on_both};
use serde_json::json;
use webhooks::{Config, Lanes, disable, enable};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, until},
};

on_both!(an_endpoint_that_is_gone_is_disabled_and_the_others_are_notified, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let (gone, other) = (Receiver::always(Reply::Status(410)).await, Receiver::always(Reply::Status(200)).await);
    let id = rig.endpoint(&gone.url()).await;
    let hears = rig.endpoint_as(&other.url(), |row| row.events = json!(["endpoint.*"])).await;
    let process = rig.start();
    rig.announce(&rig.events(1_200)).await;
    until("disabled", async || rig.row(id).await.status == WebhookStatus::Disabled).await;
    until("everything is held", async || rig.count(id, DeliveryStatus::Held).await == 1_200).await;
    rig.until_delivered(hears, 1).await;
    assert!(gone.count() <= 20, "{} requests", gone.count());
    let told: serde_json::Value = serde_json::from_str(&other.all()[0].body).unwrap();
    assert_eq!(told["type"], "endpoint.disabled");
    assert_eq!(told["data"]["endpoint_id"], json!(id));
    assert_eq!(told["data"]["reason"], "it answered 410 Gone");
    // What happens now is held from the start.
    rig.announce(&rig.events(1)).await;
    assert_eq!(rig.count(id, DeliveryStatus::Held).await, 1_201);
    until("nothing waits", async || rig.row(id).await.due_at.is_none()).await;
    process.stop().await;
});

on_both!(days_without_a_success_disable_it, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { disable_failures_min: 3, ..config() }).await;
    let receiver = Receiver::always(Reply::Status(500)).await;
    let failing = |days: i64| {
        move |row: &mut entities::webhook_endpoint::Model| {
            row.failures = 2;
            row.failing_since = Some(now() - TimeDelta::days(days));
        }
    };
    let (long, short) =
        (rig.endpoint_as(&receiver.url(), failing(6)).await, rig.endpoint_as(&receiver.url(), failing(4)).await);
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    until("disabled", async || rig.row(long).await.status == WebhookStatus::Disabled).await;
    // The event, and word of the other's disabling.
    until("given up", async || rig.count(short, DeliveryStatus::Failed).await == 2).await;
    process.stop().await;
    let reason = rig.row(long).await.disabled_reason.unwrap();
    assert!(reason.starts_with("it failed 3 times in a row since"), "{reason}");
    assert_eq!(rig.row(short).await.status, WebhookStatus::Enabled);
    assert_eq!(rig.delivery(long).await.status, DeliveryStatus::Held);
});

on_both!(somebody_disables_and_enables_it, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    let mut tx = rig.db().begin().await.unwrap();
    assert!(disable(&mut tx, id, "maintenance").await.unwrap().is_some());
    assert!(disable(&mut tx, id, "again").await.unwrap().is_none(), "once");
    tx.commit().await.unwrap();
    rig.announce(&rig.events(1)).await;
    let process = rig.start();
    until("nothing waits", async || rig.row(id).await.due_at.is_none()).await;
    assert_eq!(rig.row(id).await.disabled_reason.as_deref(), Some("maintenance"));
    let tx = rig.db().begin().await.unwrap();
    assert!(enable(&tx, id).await.unwrap());
    assert!(!enable(&tx, id).await.unwrap(), "once");
    tx.commit().await.unwrap();
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 1).await;
    process.stop().await;
    assert_eq!(
        (receiver.count(), rig.count(id, DeliveryStatus::Held).await),
        (1, 1),
        "what was held waits for a recovery"
    );
});

on_both!(a_process_with_another_secret_signs_nothing_and_is_in_nobodys_way, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let wrong = Config { secret: "another".into(), ..config() };
    let stranger = tokio::spawn(Lanes::new(rig.db().clone(), wrong, rig.waker.clone()).run(stop.clone()));
    // An endpoint of the stranger's own shows that it works.
    let own = webhooks::Secrets::new(&"another".into());
    let of_stranger = rig.endpoint_as(&receiver.url(), |row| row.secret_check = own.check(row.id, 1)).await;
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(of_stranger, 1).await;
    rig.until_free(id).await;
    let delivery = rig.delivery(id).await;
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Pending, 0), "our fault is no attempt");
    assert_eq!((rig.row(id).await.failures, receiver.count()), (0, 1));
    let process = rig.start();
    rig.until_delivered(id, 1).await;
    stop.cancel();
    stranger.await.unwrap();
    process.stop().await;
});
