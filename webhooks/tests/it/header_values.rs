//! Headers of endpoints: sealed in the table, and sent as they were given, or not at all.

use entities::DeliveryStatus;
use fixtures::{TestDatabase, on_both};
use sea_orm::{ActiveValue::Set, IntoActiveModel};
use serde_json::json;
use webhooks::Secrets;

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, until},
};

on_both!(what_earlier_versions_stored_is_sealed_at_the_start_and_sent_as_before, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(204)).await;
    let plain = json!({ "authorization": "Bearer geheim", "x-key": "1" });
    let id = rig.endpoint_as(&receiver.url(), |row| row.headers = plain.clone()).await;
    // Made under another installation secret: not this process's to seal.
    let strange = rig
        .endpoint_as(&receiver.url(), |row| {
            row.headers = plain.clone();
            row.secret_check = Secrets::new(&"another".into()).check(row.id, 1);
        })
        .await;
    let process = rig.start();
    until("it is sealed", async || !rig.row(id).await.headers.to_string().contains("geheim")).await;
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].header("authorization"), received[0].header("x-key")), ("Bearer geheim", "1"));
    assert_eq!(rig.row(strange).await.headers, plain);
});

on_both!(nothing_is_sent_without_a_header_that_cannot_be_opened, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(204)).await;
    let others = Secrets::new(&"another".into());
    let id = rig
        .endpoint_as(&receiver.url(), |row| {
            let sealed = others.seal(row.id, "authorization", &"Bearer geheim".into()).unwrap();
            row.headers = json!({ "authorization": sealed });
        })
        .await;
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    until("it is given up", async || rig.delivery(id).await.status == DeliveryStatus::Failed).await;
    assert_eq!(receiver.count(), 0, "nothing was sent");
    let delivery = rig.delivery(id).await;
    let attempts = rig.attempts(delivery.id).await;
    assert!(!attempts.is_empty());
    for attempt in attempts {
        assert_eq!(attempt.error_code.as_deref(), Some("header_unopened"));
        let message = attempt.error_message.unwrap();
        assert!(message.contains("header authorization") && message.contains("set the header anew"), "{message}");
    }

    // Its owner sets the header anew, and has the event sent again.
    let mut row = rig.row(id).await.into_active_model();
    row.headers =
        Set(json!({ "authorization": rig.secrets().seal(id, "authorization", &"Bearer neu".into()).unwrap() }));
    rig.change(row).await;
    rig.announce(&rig.events(1)).await;
    until("it arrives", async || receiver.count() == 1).await;
    process.stop().await;
    assert_eq!(receiver.all()[0].header("authorization"), "Bearer neu");
});
