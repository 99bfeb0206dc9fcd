//! PostgreSQL restarts, loses connections, falls silent, or is held by somebody who stands still: requests are told to
//! come again, nothing is given up because of it, and everything goes on by itself afterwards.

use std::time::{Duration, Instant};

use fixtures::{Backend, Cable, PrivatePostgres, Shutdown, TestDatabase, amqp_url};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement, TransactionTrait};
use secrecy::ExposeSecret;

use crate::{
    load::{Load, assert_promises_kept, wait_until_down, wait_until_up},
    merchant::{Attempt, Merchant, Payer, assert_one_deal_each},
    process::quittance,
    world::World,
};

/// Each request was answered in time: taken, or told to come again; and some of both.
fn assert_taken_or_refused(attempts: &[Attempt], within: Duration, world: &World) {
    for attempt in attempts {
        assert!(attempt.status == 201 || attempt.says_unavailable(), "{attempt:?}\n{}", world.logs());
        assert!(attempt.took < within, "{attempt:?}");
    }
    assert!(attempts.iter().any(|attempt| attempt.status == 201), "none was taken");
}

fn some_refused(attempts: &[Attempt]) -> bool {
    attempts.iter().any(Attempt::says_unavailable)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_under_load_costs_nothing() {
    let postgres = PrivatePostgres::start().await;
    let mut world = World::on(TestDatabase::on(&postgres).await, amqp_url(), &[]).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[]).await;
    world.start(&["worker"]);
    let load = Load::start(&Merchant::of(&world).await, "load");
    for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        postgres.stop(shutdown);
        wait_until_down(&world, &world.base_url, "database", "").await;
        wait_until_down(&world, &worker, "database", "").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        postgres.start_again().await;
        wait_until_up(&world, &world.base_url).await;
        wait_until_up(&world, &worker).await;
    }
    let admin = postgres.admin().await;
    for _ in 0..5 {
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        admin.execute_unprepared(all).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, Duration::from_secs(15), &world);
    assert!(some_refused(&attempts), "the database was away");
    assert_promises_kept(&world, &attempts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_a_free_connection_is_reported_in_time() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let holder = database.db.clone();
    let mut world = World::on(database, amqp_url(), &[]).await;
    let few = [
        ("QUITTANCE_DATABASE__CONNECTIONS_MAX", "3"),
        ("QUITTANCE_DATABASE__ACQUIRE_TIMEOUT_MS", "1000"),
        ("QUITTANCE_DATABASE__STATEMENT_TIMEOUT_MS", "6000"),
    ];
    world.start_api(&few).await;
    let merchant = Merchant::of(&world).await;
    // What holds the table holds every connection that wants to write to it.
    let hold = holder.begin().await.unwrap();
    hold.execute_unprepared("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let requests = (0..30).map(|number| (merchant.clone(), format!("held-{number}")));
    let held = join_all(requests.map(|(merchant, name)| async move { merchant.attempt(&name).await })).await;
    for attempt in &held {
        assert!(attempt.says_unavailable() && attempt.took < Duration::from_secs(15), "{attempt:?}\n{}", world.logs());
    }
    drop(hold);
    wait_until_taken(&merchant, &world).await;
    wait_until_up(&world, &world.base_url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_falls_silent_is_given_up() {
    let postgres = PrivatePostgres::start().await;
    let database = TestDatabase::on(&postgres).await;
    let cable = Cable::to(format!("127.0.0.1:{}", postgres.port())).await;
    let url = database.config.url.expose_secret().replace(&postgres.port().to_string(), &cable.port.to_string());
    let mut world = World::on(database, amqp_url(), &[]).await;
    let settings = [
        ("QUITTANCE_DATABASE__URL", url.as_str()),
        ("QUITTANCE_DATABASE__ACQUIRE_TIMEOUT_MS", "1000"),
        ("QUITTANCE_DATABASE__STATEMENT_TIMEOUT_MS", "1500"),
    ];
    world.start_api(&settings).await;
    let merchant = Merchant::of(&world).await;
    let load = Load::start(&merchant, "load");
    // Nothing goes through for a while, in the middle of whatever was under way.
    tokio::time::sleep(Duration::from_millis(700)).await;
    cable.hold();
    tokio::time::sleep(Duration::from_secs(4)).await;
    cable.mend();
    wait_until_up(&world, &world.base_url).await;
    // Half-open: new connections work, but nobody ever tells that the old ones do not.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        cable.swallow();
        wait_until_taken(&merchant, &world).await;
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cable.cut();
        tokio::time::sleep(Duration::from_millis(100)).await;
        cable.mend();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attempts = load.finish().await;
    assert_taken_or_refused(&attempts, Duration::from_secs(12), &world);
    assert!(some_refused(&attempts), "the database was silent");
    world.start_worker(&[]).await;
    assert_promises_kept(&world, &attempts).await;
}

/// Waits until payments are taken again.
async fn wait_until_taken(merchant: &Merchant, world: &World) {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        if merchant.attempt(&format!("again-{}", uuid::Uuid::now_v7())).await.status == 201 {
            return;
        }
        assert!(Instant::now() < until, "nothing is taken any more\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_schema_may_take_its_time() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("QUITTANCE_DATABASE__URL", database.config.url.expose_secret()),
        ("QUITTANCE_DATABASE__STATEMENT_TIMEOUT_MS", "600"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // Longer than a statement may take, a lock is waited for, and the session that holds the lock of migrations may
    // stand idle.
    let hold = database.db.begin().await.unwrap();
    hold.execute_unprepared("LOCK TABLE seaql_migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut bootstrap = quittance(folder.path(), &settings);
    bootstrap.args(["bootstrap", "--json", "--no-network"]);
    let bootstrap = tokio::task::spawn_blocking(move || bootstrap.output().unwrap());
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!bootstrap.is_finished(), "it waits");
    hold.commit().await.unwrap();
    let ended = bootstrap.await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Sessions of a process, as PostgreSQL sees them.
async fn sessions(admin: &DatabaseConnection, process: &str, condition: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) AS sessions FROM pg_stat_activity WHERE application_name = '{process}' AND {condition}"
    );
    let row = admin.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap().unwrap();
    row.try_get("", "sessions").unwrap()
}

async fn wait_for_session(admin: &DatabaseConnection, process: &str, condition: &str, world: &World) {
    let until = Instant::now() + Duration::from_secs(90);
    while sessions(admin, process, condition).await == 0 {
        assert!(Instant::now() < until, "no session of {process} with {condition}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stands_still_in_a_transaction_is_replaced() {
    let postgres = PrivatePostgres::start().await;
    let database = TestDatabase::on(&postgres).await;
    let url = database.config.url.expose_secret().to_owned();
    let broker = format!("{}?heartbeat=2", amqp_url());
    let brief = [("QUITTANCE_DATABASE__STATEMENT_TIMEOUT_MS", "6000"), ("QUITTANCE_CHAIN__LEASE_MS", "3000")];
    let mut world = World::on(database, amqp_url(), &brief).await;
    world.start_api(&[]).await;
    let named = |name: &str| format!("{url}?application_name={name}");
    let (first, second) = (named("first"), named("second"));
    world.start_worker(&[("QUITTANCE_DATABASE__URL", &first), ("QUITTANCE_BROKER__URL", &broker)]).await;
    let merchant = Merchant::of(&world).await;
    let mut ids = merchant.create_many("before", 3).await;
    merchant.reach(&world, &ids, "open").await;

    // The worker's transaction stops before its attempt is stored, holding the network's lease and its lane …
    let admin = postgres.admin().await;
    let same_database = sea_orm::Database::connect(&url).await.unwrap();
    let barrier = same_database.begin().await.unwrap();
    barrier.execute_unprepared("LOCK TABLE chain_attempts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    ids.extend(merchant.create_many("during", 3).await);
    wait_for_session(&admin, "first", "wait_event_type = 'Lock' AND query ILIKE '%insert%chain_attempts%'", &world)
        .await;
    world.processes[1].signal("STOP");
    barrier.rollback().await.unwrap();
    // … and stays open, for the process that would end it does not run.
    wait_for_session(&admin, "first", "state = 'idle in transaction'", &world).await;

    let frozen = Instant::now();
    world.start_worker(&[("QUITTANCE_DATABASE__URL", &second), ("QUITTANCE_BROKER__URL", &broker)]).await;
    ids.extend(merchant.create_many("after", 3).await);
    merchant.reach(&world, &ids, "open").await;
    assert!(frozen.elapsed() < Duration::from_secs(45), "{:?}\n{}", frozen.elapsed(), world.logs());

    world.processes[1].signal("CONT");
    tokio::time::sleep(Duration::from_secs(2)).await;
    ids.extend(merchant.create_many("both", 3).await);
    merchant.reach(&world, &ids, "open").await;
    assert_one_deal_each(&Payer::of(&world), &ids).await;
    for id in &ids {
        assert_eq!(merchant.transitions(id).await, ["payment.created", "payment.open"]);
    }
}
