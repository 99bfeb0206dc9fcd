//! The embedded default's disk is full, or fails, for a while: whoever writes is told, nothing that was promised is lost,
//! and everything goes on by itself when it is over.

use std::time::{Duration, Instant};

use fixtures::SmallDisk;

use crate::{
    consumers::{
        consumer::{Consumer, Mood},
        delivered, subscribe,
    },
    load::{Load, assert_promises_kept, health, wait_until_up},
    merchant::{Attempt, Merchant},
    world::World,
};

/// As large as the smallest that anybody has tried.
const DISK_MIB: u32 = 24;

/// Within so long after there is room again everything works.
const BACK: Duration = Duration::from_secs(15);

/// Within so long a process stops, whatever its disk does.
const STOPPED: Duration = Duration::from_secs(10);

/// What is nearly full is not refused before it is full, and consumers of webhooks on this host are let in.
const SETTINGS: [(&str, &str); 4] = [
    ("QUITTANCE_DISK__FREE_MIN_MIB", "0"),
    ("QUITTANCE_DISK__FREE_LAST_MIB", "0"),
    ("QUITTANCE_WEBHOOKS__ALLOWED_NETWORKS", r#"["127.0.0.0/8"]"#),
    ("QUITTANCE_WEBHOOKS__SCHEDULE_S", "[1, 1, 1, 2, 2, 2, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]"),
];

/// Waits until something that is asked for is refused and health says so too.
async fn wait_until_refused(world: &World, why: &str, again: impl Fn()) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        again();
        let (status, report) = health(&world.base_url).await;
        let detail = report["parts"]["database"]["detail"].as_str().unwrap_or_default();
        if status == 503 && detail.contains(why) {
            return;
        }
        assert!(Instant::now() < until, "not refused: {report}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until payments are taken again and the process is ready.
async fn assert_back(world: &World, merchant: &Merchant, since: Instant) {
    while merchant.attempt(&format!("back-{}", uuid::Uuid::now_v7())).await.status != 201 {
        assert!(since.elapsed() < BACK, "nothing is taken any more\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while health(&world.base_url).await.0 != 200 {
        assert!(since.elapsed() < BACK, "not ready\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Each request was answered in time: taken, or told to come again; and some of both.
fn assert_taken_or_refused(attempts: &[Attempt], world: &World) {
    for attempt in attempts {
        assert!(attempt.status == 201 || attempt.says_unavailable(), "{attempt:?}\n{}", world.logs());
        assert!(attempt.took < Duration::from_secs(12), "{attempt:?}");
    }
    assert!(attempts.iter().any(|attempt| attempt.status == 201), "none was taken");
    assert!(attempts.iter().any(Attempt::says_unavailable), "none was refused");
}

/// Every event that happened has been taken by the consumer.
async fn assert_all_announced(world: &World, consumer: &Consumer) {
    let until = Instant::now() + Duration::from_secs(60);
    let db = world.database().await;
    loop {
        let (happened, taken) = (delivered(&db).await, consumer.payments());
        if happened == taken {
            return;
        }
        assert!(Instant::now() < until, "{} events, {} told\n{}", happened.len(), taken.len(), world.logs());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn assert_stops(world: &mut World) {
    let asked = Instant::now();
    assert!(world.processes[0].terminate().success(), "{}", world.logs());
    assert!(asked.elapsed() < STOPPED, "it took {:?} to stop\n{}", asked.elapsed(), world.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_and_everything_goes_on_when_there_is_room() {
    let disk = SmallDisk::mount(DISK_MIB);
    let mut world = World::embedded_at(Some(disk.path().to_owned()), &SETTINGS).await;
    let merchant = Merchant::of(&world).await;
    let consumer = Consumer::start(Mood::Healthy).await;
    subscribe(&merchant, &world, &consumer, "payment.*").await;
    let load = Load::start(&merchant, "load");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        // What is written over and over finds room for a while.
        wait_until_refused(&world, "its disk is full", || disk.fill()).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        disk.empty();
        assert_back(&world, &merchant, Instant::now()).await;
    }
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, &world);
    assert_promises_kept(&world, &attempts).await;
    assert_all_announced(&world, &consumer).await;
    assert_stops(&mut world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_stops_in_time_although_its_disk_is_full_and_goes_on_at_its_next_start() {
    let disk = SmallDisk::mount(DISK_MIB);
    let mut world = World::embedded_at(Some(disk.path().to_owned()), &SETTINGS).await;
    let merchant = Merchant::of(&world).await;
    let consumer = Consumer::start(Mood::EveryOther).await;
    subscribe(&merchant, &world, &consumer, "payment.*").await;
    let load = Load::start(&merchant, "load");
    tokio::time::sleep(Duration::from_secs(2)).await;
    wait_until_refused(&world, "its disk is full", || disk.fill()).await;
    let attempts = load.finish().await;
    assert_stops(&mut world);
    disk.empty();
    world.start_again(0);
    world.recovered().await;
    assert_promises_kept(&world, &attempts).await;
    assert_all_announced(&world, &consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_reported_and_everything_goes_on_when_it_works() {
    let mut world = World::embedded_with(&SETTINGS).await;
    let merchant = Merchant::of(&world).await;
    let consumer = Consumer::start(Mood::Healthy).await;
    subscribe(&merchant, &world, &consumer, "payment.*").await;
    let load = Load::start(&merchant, "load");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        // Writing fails behind the first page of any file, and not for want of room.
        world.processes[0].limit_files(Some(4_096));
        wait_until_refused(&world, "its disk fails", || {}).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.processes[0].limit_files(None);
        assert_back(&world, &merchant, Instant::now()).await;
    }
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, &world);
    assert_promises_kept(&world, &attempts).await;
    assert_all_announced(&world, &consumer).await;
    wait_until_up(&world, &world.base_url).await;
    assert_stops(&mut world);
}
