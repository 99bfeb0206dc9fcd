//! Webhook consumers, while workers die: each gets every event that it is owed, signed, and can tell the order.

pub(crate) mod consumer;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use queue::Database;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use uuid::Uuid;

use self::consumer::{Consumer, Mood};
use crate::{
    merchant::{Merchant, Payer},
    world::World,
};

/// Consumers on this host are let in; what fails is tried again within seconds, because nobody waits for hours here.
const SETTINGS: &[(&str, &str)] = &[
    ("QUITTANCE_WEBHOOKS__ALLOWED_NETWORKS", r#"["127.0.0.0/8"]"#),
    ("QUITTANCE_WEBHOOKS__SCHEDULE_S", "[1, 1, 1, 2, 2, 2, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]"),
    ("QUITTANCE_WEBHOOKS__BREAKER_OPEN_MS", "1000"),
    ("QUITTANCE_WEBHOOKS__BREAKER_OPEN_MAX_MS", "2000"),
    // So long the dead keep an endpoint to themselves.
    ("QUITTANCE_WEBHOOKS__LEASE_MS", "3000"),
];

const PAYMENTS: usize = 1_000;

/// For how long one of the consumers does not answer.
const DOWN: Duration = Duration::from_secs(12);

/// Every numbered row of every payment's log: the events that happened, by id, with payment and number.
pub(crate) async fn delivered(db: &Database) -> BTreeMap<Uuid, (Uuid, i32)> {
    let sql = "SELECT id, payment_id, sequence FROM payment_logs WHERE sequence IS NOT NULL";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter()
        .map(|row| {
            let id = |column: &str| row.try_get::<Uuid>("", column).unwrap();
            (id("id"), (id("payment_id"), row.try_get("", "sequence").unwrap()))
        })
        .collect()
}

/// Makes an endpoint for the consumer, and returns its id.
pub(crate) async fn subscribe(merchant: &Merchant, world: &World, consumer: &Consumer, events: &str) -> String {
    let body = json!({ "node_id": world.bootstrap["node_id"], "url": consumer.url(), "events": [events] });
    let (status, endpoint) = merchant.try_post("/api/v1/webhooks", &body, None).await.unwrap();
    assert_eq!(status, 201, "{endpoint}");
    consumer.know(endpoint["secret"].as_str().unwrap());
    endpoint["id"].as_str().unwrap().to_owned()
}

async fn thousand_payments(mut world: World) {
    let merchant = Merchant::of(&world).await;
    let healthy = Consumer::start(Mood::Healthy).await;
    let moody = Consumer::start(Mood::EveryOther).await;
    let absent = Consumer::start(Mood::DownFor(DOWN)).await;
    for consumer in [&healthy, &moody, &absent] {
        subscribe(&merchant, &world, consumer, "payment.*").await;
    }

    let mut ids = merchant.create_many("first", PAYMENTS / 2).await;
    world.kill_workers();
    world.recovered().await;
    ids.extend(merchant.create_many("second", PAYMENTS / 2).await);
    merchant.reach(&world, &ids, "open").await;
    let all = merchant.all().await;
    let (paid, canceled) = (&ids[..100], &ids[100..200]);
    Payer::of(&world).deposit(&paid.iter().map(|id| &all[id]).collect::<Vec<_>>()).await;
    for id in canceled {
        assert_eq!(merchant.post(&format!("/api/v1/payments/{id}/cancel")).await.0, 202);
    }
    world.kill_workers();
    world.recovered().await;
    merchant.reach(&world, paid, "paid").await;
    merchant.reach(&world, canceled, "canceled").await;

    let owed = delivered(&world.database().await).await;
    assert_eq!(owed.len(), 2 * PAYMENTS + 2 * 200, "created, open; submitted and paid; canceling and canceled");
    let until = Instant::now() + Duration::from_secs(180);
    for (name, consumer) in [("healthy", &healthy), ("moody", &moody), ("absent", &absent)] {
        while consumer.accepted().len() < owed.len() {
            let accepted = consumer.accepted().len();
            assert!(Instant::now() < until, "{name}: {accepted} of {} events\n{}", owed.len(), world.logs());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(consumer.forged(), 0, "{name}: every signature is valid");
        let accepted = consumer.accepted();
        let received = consumer.payments();
        assert_eq!(received, owed, "{name}: what it was told is what happened");
        let mut numbers: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (payment_id, sequence) in received.values() {
            numbers.entry(*payment_id).or_default().insert(*sequence);
        }
        for (payment_id, numbers) in numbers {
            let expected = (1..=i32::try_from(numbers.len()).unwrap()).collect::<BTreeSet<_>>();
            assert_eq!(numbers, expected, "{name}: the events of {payment_id} are numbered without gaps");
        }
        assert!(accepted.values().all(|delivered| delivered.bodies == 1), "{name}: an event's bytes never change");
    }
    assert!(moody.refused() > PAYMENTS / 2, "it failed half the time");
    assert!(absent.refused() > 0, "it was tried while it was down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_payments_reach_every_consumer_on_the_embedded_default() {
    thousand_payments(World::embedded_with(SETTINGS).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_payments_reach_every_consumer_on_the_real_engine() {
    thousand_payments(World::engine_with(SETTINGS, 2).await).await;
}
