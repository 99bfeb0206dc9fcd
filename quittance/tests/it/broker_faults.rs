//! RabbitMQ dies, stops, takes nothing more, or holds what it should not: accepting goes on, and so does everything
//! else by itself once the broker does.

use std::time::Duration;

use fixtures::{Backend, PrivateRabbit, TestDatabase, amqp_url};
use lapin::{
    Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{
    load::{Load, assert_promises_kept, health, wait_until_down, wait_until_up},
    merchant::Merchant,
    world::{World, free_port},
};

/// A quorum queue that is younger may be lost when its only node is killed (RabbitMQ 3.10).
const SETTLED: Duration = Duration::from_secs(5);

async fn engine_on(rabbit: &PrivateRabbit) -> (World, String) {
    let mut world = World::on(TestDatabase::new(Backend::Postgres).await, rabbit.url(), &[]).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[]).await;
    world.start_worker(&[]).await;
    (world, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_or_stopped_under_load_costs_nothing() {
    let rabbit = PrivateRabbit::shared().await;
    let _turn = rabbit.turn().await;
    let (world, worker) = engine_on(&rabbit).await;
    let merchant = Merchant::of(&world).await;
    let load = Load::start(&merchant, "load");
    tokio::time::sleep(SETTLED).await;

    rabbit.kill();
    wait_until_down(&world, &world.base_url, "queue", "rabbitmq publisher").await;
    wait_until_down(&world, &worker, "queue", "consumer open_deal.v1").await;
    assert_eq!(health(&world.base_url).await.1["parts"]["database"]["status"], "up");
    rabbit.start_again().await;
    wait_until_up(&world, &world.base_url).await;
    wait_until_up(&world, &worker).await;

    rabbit.stop();
    wait_until_down(&world, &world.base_url, "queue", "rabbitmq publisher").await;
    rabbit.start_again().await;
    wait_until_up(&world, &world.base_url).await;

    let attempts = load.finish().await;
    let refused: Vec<_> = attempts.iter().filter(|attempt| attempt.status != 201).collect();
    assert!(refused.is_empty(), "{refused:?}\n{}", world.logs());
    assert!(attempts.len() > 50, "{}", attempts.len());
    assert_promises_kept(&world, &attempts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_memory_holds_up_publishing_alone() {
    let rabbit = PrivateRabbit::shared().await;
    let _turn = rabbit.turn().await;
    let mut world = World::on(TestDatabase::new(Backend::Postgres).await, rabbit.url(), &[]).await;
    world.start_api(&[]).await;
    let merchant = Merchant::of(&world).await;
    let before = merchant.create_many("before", 20).await;
    // Published, with nobody there to work on them yet.
    wait_until_published(&world).await;

    rabbit.control(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await;
    let during = merchant.create_many("during", 20).await;
    wait_until_down(&world, &world.base_url, "queue", "blocks publishers").await;
    // Consuming goes over a connection of its own, which is not blocked.
    let worker = format!("127.0.0.1:{}", free_port());
    world.start(&["worker", "--listen-health", &worker]);
    merchant.reach(&world, &before, "open").await;
    let all = merchant.all().await;
    let waiting = during.iter().filter(|id| all[*id]["status"] == "pending").count();
    assert!(waiting >= 15, "{waiting} of 20 wait in the outbox; what had left by then may have arrived");
    // As long as it lasts: longer than the deadline of a window's confirms, after which a new connection would be tried.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let later = merchant.create_many("later", 5).await;
    let (status, report) = health(&world.base_url).await;
    assert_eq!((status, &report["status"]), (200, &"degraded".into()), "{report}");
    assert!(report["parts"]["queue"]["detail"].as_str().unwrap().contains("blocks publishers"), "{report}");
    let observed = world.log(0).matches("blocks publishers").count();
    assert!((1..=3).contains(&observed), "said {observed} times\n{}", world.logs());

    rabbit.control(&["set_vm_memory_high_watermark", "0.4"]).await;
    merchant.reach(&world, &[during, later].concat(), "open").await;
    wait_until_up(&world, &world.base_url).await;
    wait_until_up(&world, &format!("http://{worker}")).await;
    assert_promises_kept(&world, &[]).await;
}

async fn wait_until_published(world: &World) {
    let db = world.database().await;
    let until = std::time::Instant::now() + Duration::from_secs(120);
    // Messages that are scheduled for later stay.
    while queue::outbox::backlog(&db).await.unwrap().rows > 0 {
        assert!(std::time::Instant::now() < until, "not published\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_ours_to_use_is_reported_and_mended() {
    let mut world = World::on(TestDatabase::new(Backend::Postgres).await, amqp_url(), &[]).await;
    let connection = Connection::connect(&amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = world.rabbit_name("open_deal.v1");
    let mut older = FieldTable::default();
    older.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    older.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(5));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.as_str().into(), durable, older).await.unwrap();

    world.start_api(&[]).await;
    world.start(&["worker"]);
    let merchant = Merchant::of(&world).await;
    let ids = merchant.create_many("order", 3).await;
    wait_until_down(&world, &world.base_url, "queue", "exists with other arguments").await;
    let (_, report) = health(&world.base_url).await;
    let observed = report["parts"]["queue"]["detail"].as_str().unwrap();
    for part in [name.as_str(), "inequivalent arg", "wanted: x-queue-type=quorum", "x-delivery-limit=20"] {
        assert!(observed.contains(part), "{part} is missing in {observed}");
    }
    let mut doctor = world.command();
    doctor.arg("doctor");
    let found = tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap();
    let observed = String::from_utf8_lossy(&found.stdout);
    assert!(!found.status.success(), "{observed}");
    assert!(
        observed.contains("BAD   broker") && observed.contains(&name) && observed.contains("delete it"),
        "{observed}"
    );

    // Neither process runs in circles over it.
    let before: Vec<_> = world.processes.iter().map(|process| process.processor_time()).collect();
    tokio::time::sleep(Duration::from_secs(8)).await;
    for (process, before) in world.processes.iter().zip(before) {
        let used = process.processor_time() - before;
        assert!(used <= Duration::from_secs(3), "{used:?} of processor time in eight seconds\n{}", world.logs());
    }
    for index in [0, 1] {
        let log = world.log(index);
        let lines = log.matches("exists with other arguments").count();
        assert!((1..=25).contains(&lines), "{lines} lines of process {index}\n{log}");
        assert!(log.contains(&name) && log.contains("wanted: x-queue-type=quorum"), "{log}");
    }

    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    merchant.reach(&world, &ids, "open").await;
    wait_until_up(&world, &world.base_url).await;

    // And once more, under its consumer.
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    let ids = merchant.create_many("more", 10).await;
    merchant.reach(&world, &ids, "open").await;
    connection.close(200, "bye".into()).await.unwrap();
}
