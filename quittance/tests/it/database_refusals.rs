//! PostgreSQL can be read and takes nothing: its disk is full, it was told to read only, or it became a standby.

use std::time::{Duration, Instant};

use fixtures::{Cable, PrivatePostgres, Shutdown, SmallDisk, TestDatabase, amqp_url};
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;

use crate::{
    load::{Load, assert_promises_kept, wait_until_down, wait_until_up},
    merchant::{Attempt, Merchant},
    world::World,
};

/// Within so long after it takes something again everything works.
const BACK: Duration = Duration::from_secs(15);

fn assert_taken_or_refused(attempts: &[Attempt], world: &World) {
    for attempt in attempts {
        assert!(attempt.status == 201 || attempt.says_unavailable(), "{attempt:?}\n{}", world.logs());
        assert!(attempt.took < Duration::from_secs(12), "{attempt:?}");
    }
    assert!(attempts.iter().any(|attempt| attempt.status == 201), "none was taken");
    assert!(attempts.iter().any(Attempt::says_unavailable), "none was refused");
}

/// Waits until payments are taken again, and both processes are ready.
async fn assert_back(world: &World, worker: &str, merchant: &Merchant, since: Instant) {
    while merchant.attempt(&format!("back-{}", uuid::Uuid::now_v7())).await.status != 201 {
        assert!(since.elapsed() < BACK, "nothing is taken any more\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    wait_until_up(world, &world.base_url).await;
    wait_until_up(world, worker).await;
    assert!(since.elapsed() < BACK, "ready only after {:?}\n{}", since.elapsed(), world.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_tablespace_is_reported_and_everything_goes_on_when_there_is_room() {
    let (postgres, disk) = (PrivatePostgres::start().await, SmallDisk::mount(64));
    postgres.add_tablespace("small", disk.path()).await;
    let mut world = World::on(TestDatabase::in_tablespace(&postgres, "small").await, amqp_url(), &[]).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[]).await;
    let merchant = Merchant::of(&world).await;
    let load = Load::start(&merchant, "load");
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let filling = async {
            loop {
                disk.fill();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = filling => {}
            () = wait_until_down(&world, &world.base_url, "database", "its disk is full") => {}
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        disk.empty();
        assert_back(&world, &worker, &merchant, Instant::now()).await;
    }
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, &world);
    assert_promises_kept(&world, &attempts).await;
}

/// Where it cannot write its log of changes either, PostgreSQL ends; an operator makes room and starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_whole_disk_is_full_is_reported_and_everything_goes_on_when_there_is_room() {
    let disk = SmallDisk::mount(512);
    let postgres = PrivatePostgres::start_on(disk.path()).await;
    let mut world = World::on(TestDatabase::on(&postgres).await, amqp_url(), &[]).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[]).await;
    let merchant = Merchant::of(&world).await;
    let load = Load::start(&merchant, "load");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let filling = async {
        loop {
            disk.fill();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = filling => {}
        () = wait_until_down(&world, &world.base_url, "database", "") => {}
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    disk.empty();
    println!("PostgreSQL has ended by itself: {}", postgres.has_ended());
    if postgres.has_ended() {
        postgres.start_again().await;
    }
    assert_back(&world, &worker, &merchant, Instant::now()).await;
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, &world);
    assert_promises_kept(&world, &attempts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_read_only_is_reported_and_everything_goes_on_when_it_writes() {
    let postgres = PrivatePostgres::start().await;
    let mut world = World::on(TestDatabase::on(&postgres).await, amqp_url(), &[]).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[]).await;
    let merchant = Merchant::of(&world).await;
    let (admin, load) = (postgres.admin().await, Load::start(&merchant, "load"));
    let set = async |read_only: &str| {
        let alter = format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}");
        admin.execute_unprepared(&alter).await.unwrap();
        admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    set("on").await;
    wait_until_down(&world, &world.base_url, "database", "it only reads").await;
    wait_until_down(&world, &worker, "database", "it only reads").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    set("off").await;
    assert_back(&world, &worker, &merchant, Instant::now()).await;
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, &world);
    assert_promises_kept(&world, &attempts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_became_a_standby_is_left_for_its_successor() {
    let first = PrivatePostgres::start().await;
    let mut database = TestDatabase::on(&first).await;
    let cable = Cable::to(format!("127.0.0.1:{}", first.port())).await;
    let url = database.config.url.expose_secret().replace(&first.port().to_string(), &cable.port.to_string());
    database.config.url = url.into();
    let second = first.standby().await;
    let mut world = World::on(database, amqp_url(), &[]).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[]).await;
    let merchant = Merchant::of(&world).await;
    let load = Load::start(&merchant, "load");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // A server that is shut down hands everything to its standby first.
    first.stop(Shutdown::Fast);
    first.demote();
    first.start_again().await;
    wait_until_down(&world, &world.base_url, "database", "it only reads").await;
    wait_until_down(&world, &worker, "database", "it only reads").await;
    // Where new connections lead changes; those to the old server stay, and nobody cuts them.
    second.promote().await;
    cable.redirect(format!("127.0.0.1:{}", second.port()));
    assert_back(&world, &worker, &merchant, Instant::now()).await;
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, &world);
    assert_promises_kept(&world, &attempts).await;
}
