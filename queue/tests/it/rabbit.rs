//! What only RabbitMQ can do to us.

use std::{sync::Arc, time::Duration};

use fixtures::Cable;
use lapin::{
    BasicProperties, ExchangeKind,
    options::*,
    types::{AMQPValue, FieldTable},
};
use queue::{NewMessage, Payload, Registry, Subject};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::rig::{
    Backend, Rig, amqp, amqp_url, eventually,
    jobs::{Act, Errand, RunErrand, errand},
};

/// For a queue that nobody consumes.
#[derive(Serialize, Deserialize)]
struct Other;

impl Payload for Other {
    const TYPE: &'static str = "other";
    const QUEUE: &'static str = "other.v1";

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// A rig whose processes reach RabbitMQ over a cable.
async fn cabled() -> (Rig, Cable) {
    let mut rig = Rig::new(Backend::PostgresRabbit).await;
    let url = amqp_url();
    let (before, server) = url.rsplit_once('@').expect("the URL has credentials");
    let (address, vhost) = server.split_once('/').expect("the URL has a vhost");
    let cable = Cable::to(address.to_owned()).await;
    rig.broker.url = format!("{before}@127.0.0.1:{}/{vhost}", cable.port).into();
    (rig, cable)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_while_the_broker_is_away_is_published_when_it_returns() {
    let (rig, cable) = cabled().await;
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(0, Act::Succeed)]).await;
    eventually("all is well", async || process.diary.finished() == [0] && process.broker.health().is_up()).await;

    cable.cut();
    eventually("the loss is noticed", async || process.broker.health().parts().iter().all(|part| !part.up)).await;
    for number in 1..=50 {
        process.enqueue(vec![errand(number, Act::Succeed)]).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(process.outbox_rows().await, 50, "kept");
    let parts = process.broker.health().parts();
    assert!(
        parts.iter().all(|part| part.last_error.as_ref().is_none_or(|error| !error.contains("guest"))),
        "{parts:?}"
    );

    cable.mend();
    eventually("all are done", async || {
        let mut finished = process.diary.finished();
        finished.dedup();
        finished == (0..=50).collect::<Vec<_>>()
    })
    .await;
    process.settled().await;
    eventually("all is well again", async || process.broker.health().is_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_falls_silent_is_given_up() {
    let (mut rig, cable) = cabled().await;
    rig.broker.timeout_ms = 1_000;
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(0, Act::Succeed)]).await;
    eventually("all is well", async || process.diary.finished() == [0]).await;

    cable.hold();
    process.enqueue(vec![errand(1, Act::Succeed)]).await;
    let publishing = async || {
        let parts = process.broker.health().parts();
        parts.iter().any(|part| part.name == "publishing" && part.up)
    };
    eventually("it is noticed", async || !publishing().await).await;
    assert_eq!(process.outbox_rows().await, 1, "kept");
    cable.mend();
    eventually("it is done", async || process.diary.finished().contains(&1)).await;
    process.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_in_the_middle_of_publishing_loses_nothing() {
    let (rig, cable) = cabled().await;
    let process = Arc::new(rig.process(Registry::new().register::<RunErrand>()).await);
    let feeding = Arc::clone(&process);
    let feed = tokio::spawn(async move {
        for start in (0..2_000).step_by(20) {
            feeding.enqueue((start..start + 20).map(|number| errand(number, Act::Succeed)).collect()).await;
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        cable.cut();
        tokio::time::sleep(Duration::from_millis(50)).await;
        cable.mend();
    }
    feed.await.expect("commits go on whatever the broker does");
    eventually("all are done", async || {
        let mut finished = process.diary.finished();
        finished.dedup();
        finished == (0..2_000).collect::<Vec<_>>()
    })
    .await;
    process.settled().await;
    assert!(process.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_in_the_middle_of_consuming_lose_nothing() {
    let (mut rig, cable) = cabled().await;
    rig.broker.timeout_ms = 1_000;
    let url = format!("{}?heartbeat=1", rig.broker.url.expose_secret());
    rig.broker.url = url.into();
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let finished = || {
        let mut finished = process.diary.finished();
        finished.dedup();
        finished
    };
    process.enqueue((0..120).map(|number| errand(number, Act::Take(100))).collect()).await;
    for round in 0..4 {
        let before = finished().len();
        eventually("it gets on", async || finished().len() > before + 5).await;
        // By turns the line is cut, and swallows what goes over it, acknowledgements included.
        if round % 2 == 0 {
            cable.cut()
        } else {
            cable.hold()
        }
        tokio::time::sleep(Duration::from_millis(if round % 2 == 0 { 100 } else { 3_000 })).await;
        cable.mend();
    }
    eventually("all are done", async || finished() == (0..120).collect::<Vec<_>>()).await;
    process.settled().await;
    eventually("all is well again", async || process.broker.health().is_up()).await;
    assert!(process.dead_letters().await.is_empty());
    assert!(process.diary.entries().iter().all(|entry| entry.attempts == 0), "a lost line is no failed attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_messages_are_distinguished_from_their_neighbours() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let process = rig.process(Registry::new()).await;
    let depth = async |queue| process.broker.depth(queue).await.unwrap_or(u64::MAX);
    process.enqueue(vec![NewMessage::of(&Other), errand(0, Act::Succeed)]).await;
    eventually("both queues exist", async || depth(Other::QUEUE).await == 1 && depth(Errand::QUEUE).await == 1).await;
    let (_connection, channel) = amqp().await;
    let name = rig.rabbit_name(Other::QUEUE);
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("the queue goes");

    // One in five cannot be routed, in one window with the others.
    let mixed = |number| if number % 5 == 0 { NewMessage::of(&Other) } else { errand(number, Act::Succeed) };
    process.enqueue((0..400).map(mixed).collect()).await;
    process.settled().await;
    eventually("exactly those came again", async || {
        depth(Other::QUEUE).await == 80 && depth(Errand::QUEUE).await == 321
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_reported() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let (_connection, channel) = amqp().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let name = rig.rabbit_name(Errand::QUEUE);
    channel.queue_declare(name.clone().into(), durable, quorum()).await.expect("an older queue");

    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let error = async || {
        let parts = process.broker.health().parts();
        let consumer = parts.into_iter().find(|part| part.name == "consumer errand.v1")?;
        (!consumer.up).then_some(consumer.last_error).flatten()
    };
    // A busy broker answers the first declarations of a quorum queue with an error of its own.
    let of_queue = async || error().await.filter(|error| error.contains(&name));
    eventually("the consumer is down, and says which queue", async || of_queue().await.is_some()).await;
    let error = of_queue().await.expect("has an error");
    assert!(error.contains("inequivalent arg 'x-dead-letter-exchange'"), "stored: {error}");
    assert!(error.contains("x-delivery-limit=20") && error.contains("x-overflow=reject-publish"), "wanted: {error}");

    process.enqueue(vec![errand(1, Act::Succeed), NewMessage::of(&Other)]).await;
    let depth = async || process.broker.depth(Other::QUEUE).await.unwrap_or(0);
    eventually("other queues do not suffer", async || depth().await == 1).await;
    let publishing = async || process.broker.health().parts().into_iter().find(|part| part.name == "publishing");
    let publishing = publishing().await.expect("is on the board");
    assert!(!publishing.up && publishing.last_error.is_some_and(|error| error.contains(&name)));
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("the operator deletes it");
    eventually("it is mended by itself", async || process.diary.finished() == [1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_survives_the_loss_of_its_queue() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(1, Act::Succeed)]).await;
    eventually("it consumes", async || process.diary.finished() == [1]).await;
    let (_connection, channel) = amqp().await;
    let name = rig.rabbit_name(Errand::QUEUE);
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("the queue goes");
    process.enqueue(vec![errand(2, Act::Succeed)]).await;
    eventually("it consumes again", async || process.diary.finished() == [1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brokers_dead_letters_are_archived() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let publisher = rig.process(Registry::new()).await;
    let ids = publisher.enqueue(vec![errand(1, Act::Succeed).header("request_id", "r-1")]).await;
    let (_connection, channel) = amqp().await;
    let name = rig.rabbit_name(Errand::QUEUE);
    eventually("it waits", async || publisher.broker.depth(Errand::QUEUE).await.unwrap_or(0) == 1).await;
    // A worker that dies with the message, again and again.
    eventually("the broker gives up", async || {
        match channel.basic_get(name.clone().into(), BasicGetOptions::default()).await.expect("answers") {
            Some(got) => got.delivery.acker.reject(BasicRejectOptions { requeue: true }).await.expect("rejects"),
            None => true,
        };
        !publisher.dead_letters().await.is_empty()
    })
    .await;
    let letter = publisher.one_dead_letter().await;
    assert_eq!((letter.origin.as_str(), letter.error_code.as_str()), ("broker", "delivery_limit"));
    assert_eq!((letter.message_id, letter.attempts), (ids[0], 0));
    assert_eq!((letter.queue.as_str(), letter.kind.as_str()), (Errand::QUEUE, Errand::TYPE));
    assert_eq!(letter.headers.len(), 1, "only what travelled with it: {:?}", letter.headers);
    assert_eq!(letter.headers["request_id"], "r-1");

    queue::dead_letters::replay(&publisher.db, letter.id).await.expect("replays");
    let worker = rig.process(Registry::new().register::<RunErrand>()).await;
    eventually("the replay succeeds", async || worker.diary.finished() == [1]).await;
    assert_eq!(worker.diary.of(1)[0].message_id, ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_put_into_our_queue_is_archived() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(1, Act::Succeed)]).await;
    eventually("it consumes", async || process.diary.finished() == [1]).await;
    let (_connection, channel) = amqp().await;
    let exchange = rig.rabbit_name("jobs");
    for body in [&b"\xff\x00 no text"[..], b"{\"number\":1}"] {
        let (exchange, key) = (exchange.as_str().into(), Errand::QUEUE.into());
        let publish = channel.basic_publish(exchange, key, Default::default(), body, BasicProperties::default());
        publish.await.expect("published").await.expect("taken");
    }
    eventually("both are dead", async || process.dead_letters().await.len() == 2).await;
    let letters = process.dead_letters().await;
    assert!(letters.iter().all(|letter| letter.error_code == "undecodable" && letter.queue == Errand::QUEUE));
    assert!(
        letters.iter().any(|letter| letter.body_encoding == "hex" && letter.body == hex::encode(b"\xff\x00 no text"))
    );
    let binary = letters.iter().find(|letter| letter.body_encoding == "hex").expect("is there");
    let refused = queue::dead_letters::replay(&process.db, binary.id).await;
    assert!(matches!(refused, Err(queue::dead_letters::ReplayError::Unreadable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_systems_can_listen_to_events() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let process = rig.process(Registry::new()).await;
    let (_connection, channel) = amqp().await;
    let (listener, events) = (rig.rabbit_name("listener"), rig.rabbit_name("events"));
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let declare = channel.exchange_declare(events.as_str().into(), ExchangeKind::Topic, durable, Default::default());
    declare.await.expect("the same exchange as ours");
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(listener.as_str().into(), durable, Default::default()).await.expect("a queue");
    let bind = channel.queue_bind(
        listener.as_str().into(),
        events.into(),
        "payment.*".into(),
        Default::default(),
        Default::default(),
    );
    bind.await.expect("bound");
    let event =
        |kind: &'static str, id: u8| NewMessage::event(kind, uuid::Uuid::now_v7(), json!({ "id": id }).to_string());
    process.enqueue(vec![event("payment.paid", 1), event("endpoint.disabled", 2), event("payment.failed", 3)]).await;
    let mut heard = Vec::new();
    eventually("both arrive", async || {
        let got = channel.basic_get(listener.as_str().into(), BasicGetOptions { no_ack: true }).await.expect("answers");
        heard.extend(got.map(|got| String::from_utf8(got.delivery.data).expect("text")));
        heard.len() == 2
    })
    .await;
    assert_eq!(heard, [r#"{"id":1}"#, r#"{"id":3}"#]);
}
