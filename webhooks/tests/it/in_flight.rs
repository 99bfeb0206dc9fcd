//! How many requests an endpoint gets at a time, and who goes first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use entities::{DeliveryStatus, EventId, WebhookDeliveryId, WebhookEndpointId};
use fixtures::{TestDatabase, on_both};
use sea_orm::{EntityTrait, QueryFilter, QuerySelect, prelude::*};
use webhooks::{Config, Outgoing, Urgency, send_again, wake};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, until},
};

async fn after(milliseconds: u64) -> Receiver {
    Receiver::always(Reply::After(Duration::from_millis(milliseconds), Box::new(Reply::Status(200)))).await
}

impl Rig {
    async fn announce_many(&self, count: usize) -> Vec<Outgoing> {
        let events = self.events(count);
        for some in events.chunks(500) {
            self.announce(some).await;
        }
        events
    }

    async fn delivered(&self, id: WebhookEndpointId) -> usize {
        use entities::webhook_delivery::{Column, Entity};
        let delivered = Entity::find().filter(Column::EndpointId.eq(id));
        let delivered = delivered.filter(Column::Status.eq(DeliveryStatus::Delivered));
        usize::try_from(sea_orm::PaginatorTrait::count(delivered, &**self.db()).await.unwrap()).unwrap()
    }

    /// As a recovery does it.
    async fn recover(&self, id: WebhookEndpointId, status: DeliveryStatus) {
        use entities::webhook_delivery::{Column, Entity};
        let found: Vec<WebhookDeliveryId> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::EndpointId.eq(id))
            .filter(Column::Status.eq(status))
            .into_tuple()
            .all(&**self.db())
            .await
            .unwrap();
        let tx = self.db().begin().await.unwrap();
        for some in found.chunks(500) {
            send_again(&tx, some, Urgency::Recovered).await.unwrap();
        }
        tx.commit().await.unwrap();
        wake(self.db(), &webhooks::Waiting([id].into())).await.unwrap();
        self.waker.wake();
    }
}

on_both!(an_endpoint_that_answers_well_gets_more_and_more_at_a_time, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = after(100).await;
    let id = rig.endpoint(&receiver.url()).await;
    rig.announce_many(2_500).await;
    let (process, start) = (rig.start(), Instant::now());
    until("all delivered", async || rig.delivered(id).await == 2_500).await;
    let took = start.elapsed();
    process.stop().await;
    let busiest = receiver.busiest.load(Ordering::SeqCst);
    println!("2,500 events after {} ms, {busiest} at a time", took.as_millis());
    assert_eq!(receiver.count(), 2_500, "each once");
    assert!((65..=256).contains(&busiest), "{busiest} at a time");
    assert!(took < Duration::from_secs(15), "ten at a time take 25 s: {took:?}");
});

on_both!(an_endpoint_that_begins_to_fail_gets_few_at_a_time, async |database: TestDatabase| {
    let rig =
        Rig::with(database, Config { breaker_requests_min: 1_000_000, schedule_s: vec![0; 40], ..config() }).await;
    let ill = Arc::new(AtomicBool::new(false));
    let is_ill = Arc::clone(&ill);
    let answer = move |status| Reply::After(Duration::from_millis(50), Box::new(Reply::Status(status)));
    let receiver = Receiver::start(move |_, _| answer(if is_ill.load(Ordering::SeqCst) { 503 } else { 200 })).await;
    let id = rig.endpoint(&receiver.url()).await;
    rig.announce_many(3_000).await;
    let process = rig.start();
    until("many at a time", async || receiver.busiest.load(Ordering::SeqCst) >= 40).await;
    ill.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    receiver.busiest.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ill_at_a_time = receiver.busiest.load(Ordering::SeqCst);
    assert!((1..=4).contains(&ill_at_a_time), "{ill_at_a_time} at a time");
    ill.store(false, Ordering::SeqCst);
    until("all delivered", async || rig.delivered(id).await == 3_000).await;
    process.stop().await;
});

on_both!(all_endpoints_together_are_bounded_by_memory_and_each_has_four, async |database: TestDatabase| {
    // Room for seven besides the four of each.
    let rig = Rig::with(database, Config { in_flight_memory_mib: 1, ..config() }).await;
    let mut receivers = Vec::new();
    for _ in 0..5 {
        let receiver = Receiver::always(Reply::Swallow).await;
        rig.endpoint(&receiver.url()).await;
        receivers.push(receiver);
    }
    rig.announce_many(100).await;
    let process = rig.start();
    until("each has four", async || receivers.iter().all(|receiver| receiver.count() >= 4)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let all: usize = receivers.iter().map(Receiver::count).sum();
    assert!((20..=27).contains(&all), "{all} at a time");
    drop(receivers);
    process.stop().await;
});

on_both!(what_is_due_now_goes_before_what_a_recovery_has_released, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { in_flight_max: 4, ..config() }).await;
    let receiver = after(20).await;
    let id = rig.endpoint(&receiver.url()).await;
    rig.announce_many(2_000).await;
    rig.change(entities::webhook_endpoint::ActiveModel {
        id: sea_orm::ActiveValue::Set(id),
        status: sea_orm::ActiveValue::Set(entities::WebhookStatus::Disabled),
        ..Default::default()
    })
    .await;
    let process = rig.start();
    until("held", async || rig.count(id, DeliveryStatus::Held).await == 2_000).await;
    rig.until_free(id).await;
    rig.change(entities::webhook_endpoint::ActiveModel {
        id: sea_orm::ActiveValue::Set(id),
        status: sea_orm::ActiveValue::Set(entities::WebhookStatus::Enabled),
        ..Default::default()
    })
    .await;
    rig.recover(id, DeliveryStatus::Held).await;
    until("the first are sent", async || receiver.count() >= 20).await;
    let start = Instant::now();
    let events = rig.announce_many(20).await;
    let ids: Vec<String> = events.iter().map(|event| EventId::to_string(&event.id)).collect();
    until("what is new has arrived", async || {
        receiver.all().iter().filter(|received| ids.iter().any(|id| id == received.id())).count() == 20
    })
    .await;
    let (took, before) = (start.elapsed(), receiver.count());
    assert!(before < 1_000, "{before} were sent before, within {took:?}");
    until("and the rest", async || rig.delivered(id).await == 2_020).await;
    process.stop().await;
    assert_eq!(receiver.count(), 2_020, "each once");
});
