//! PgBouncer in transaction mode stands before PostgreSQL: it works, or no process starts and says what to do.

use std::time::{Duration, Instant};

use fixtures::{Pooler, PrivatePostgres, TestDatabase, amqp_url};
use secrecy::ExposeSecret;

use crate::{
    load::wait_until_up,
    merchant::{Merchant, Payer, assert_one_deal_each},
    process::quittance,
    world::World,
};

/// As its operators set it for clients that send limits of their own.
const LETS_LIMITS_PASS: &str = "ignore_startup_parameters = options, statement_timeout, lock_timeout, \
                                idle_in_transaction_session_timeout";

/// The database's address with the pooler in between.
fn through(pooler: &Pooler, postgres: &PrivatePostgres, database: &TestDatabase) -> String {
    let url = database.config.url.expose_secret();
    url.replace(&format!(":{}/", postgres.port()), &format!(":{}/", pooler.port()))
}

/// What is said by a process that does not start.
async fn refused(url: &str, settings: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut environment = vec![("QUITTANCE_DATABASE__URL".to_owned(), url.to_owned())];
    environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut bootstrap = quittance(folder.path(), &environment);
    bootstrap.args(["bootstrap", "--json", "--no-network"]);
    let asked = Instant::now();
    let ended = tokio::task::spawn_blocking(move || bootstrap.output().unwrap()).await.unwrap();
    let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success(), "{printed}");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?} {printed}", asked.elapsed());
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_forgets_prepared_statements_is_refused_with_what_to_do() {
    let postgres = PrivatePostgres::start().await;
    let database = TestDatabase::on(&postgres).await;
    let forgets = if Pooler::carries_statements() { "max_prepared_statements = 0" } else { "" };
    let pooler = Pooler::before(postgres.port(), &format!("{LETS_LIMITS_PASS}\n{forgets}"));
    let printed = refused(&through(&pooler, &postgres, &database), &[]).await;
    for part in ["max_prepared_statements", "1.21", "pool_mode", "database.url"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_refuses_our_limits_is_reported_with_what_to_do() {
    let postgres = PrivatePostgres::start().await;
    let database = TestDatabase::on(&postgres).await;
    let pooler = Pooler::before(postgres.port(), "");
    let printed = refused(&through(&pooler, &postgres, &database), &[]).await;
    for part in ["ignore_startup_parameters", "statement_timeout_ms = 0"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_taken_and_opened_through_a_pooler_that_carries_statements_along() {
    if !Pooler::carries_statements() {
        eprintln!("this PgBouncer is older than 1.21: that it is refused is all that can be shown with it");
        return;
    }
    let postgres = PrivatePostgres::start().await;
    for (settings, limit) in [(LETS_LIMITS_PASS, "15000"), ("", "0")] {
        let mut database = TestDatabase::on(&postgres).await;
        let pooler = Pooler::before(postgres.port(), &format!("{settings}\nmax_prepared_statements = 200"));
        database.config.url = through(&pooler, &postgres, &database).into();
        let limits = [("QUITTANCE_DATABASE__STATEMENT_TIMEOUT_MS", limit)];
        let mut world = World::on(database, amqp_url(), &limits).await;
        world.start_api(&[]).await;
        let worker = world.start_worker(&[]).await;
        let (merchant, payer) = (Merchant::of(&world).await, Payer::of(&world));
        let ids = merchant.create_many("pooled", 100).await;
        merchant.reach(&world, &ids, "open").await;
        assert_one_deal_each(&payer, &ids).await;
        wait_until_up(&world, &world.base_url).await;
        wait_until_up(&world, &worker).await;
    }
}
