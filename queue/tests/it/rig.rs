//! A database and a broker of a test's own, and processes that use them.

use std::{sync::Arc, time::Duration};

use lapin::{Connection, ConnectionProperties, options::*};
use migration::Migrator;
use queue::{BrokerConfig, Database, DatabaseConfig, Registry};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::MigratorTrait as _;
use uuid::Uuid;

pub(crate) mod jobs;
pub(crate) mod letters;
pub(crate) mod process;

use jobs::Diary;
pub(crate) use process::Process;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    SqliteEmbedded,
    PostgresEmbedded,
    PostgresRabbit,
}

/// Defines a test once and runs it on every back end: `on_every_backend!(name, async |rig| { … })`.
#[macro_export]
macro_rules! on_every_backend {
    ($name:ident, $test:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test names something of its module")]
            use super::*;
            use $crate::rig::{Backend, Rig};

            async fn on(backend: Backend) {
                let rig = Rig::new(backend).await;
                let test: for<'a> fn(&'a Rig) -> futures_util::future::LocalBoxFuture<'a, ()> =
                    |rig| Box::pin(($test)(rig));
                test(&rig).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite_embedded() {
                on(Backend::SqliteEmbedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres_embedded() {
                on(Backend::PostgresEmbedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres_rabbitmq() {
                on(Backend::PostgresRabbit).await;
            }
        }
    };
}

pub(crate) fn amqp_url() -> String {
    std::env::var("QUITTANCE_TEST_AMQP_URL").unwrap_or("amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

fn postgres_url() -> String {
    std::env::var("QUITTANCE_TEST_POSTGRES_URL").unwrap_or("postgres://postgres@127.0.0.1:5432/test".to_owned())
}

/// The servers' side of a test; gone with all it made when this is dropped.
pub(crate) struct Rig {
    pub(crate) backend: Backend,
    pub(crate) database: DatabaseConfig,
    pub(crate) broker: BrokerConfig,
    name: String,
    _folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) async fn new(backend: Backend) -> Self {
        // `RUST_LOG=queue=debug` shows what a failing test's processes say.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let name = format!("quittance_test_{}", Uuid::now_v7().simple());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match backend {
            Backend::SqliteEmbedded => format!("sqlite://{}", folder.path().join("queue.db").display()),
            Backend::PostgresEmbedded | Backend::PostgresRabbit => {
                let admin = sea_orm::Database::connect(postgres_url()).await.expect("PostgreSQL answers");
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database of its own");
                with_database(&postgres_url(), &name)
            }
        };
        let broker = match backend {
            Backend::PostgresRabbit => amqp_url(),
            _ => "embedded".to_owned(),
        };
        let rig = Self {
            backend,
            database: DatabaseConfig { url: url.into(), connections_max: 8, ..DatabaseConfig::default() },
            broker: BrokerConfig { url: broker.into(), prefix: name.clone(), ..BrokerConfig::default() },
            name,
            _folder: folder,
        };
        let (db, _) = rig.connect().await;
        Migrator::up(&*db, None).await.expect("migrations apply");
        rig
    }

    pub(crate) async fn connect(&self) -> (Database, queue::CommittedMessages) {
        Database::connect(&self.database).await.expect("the database answers")
    }

    /// A process with a relay, an archivist and a runner of these jobs.
    pub(crate) async fn process(&self, registry: Registry<Diary>) -> Process {
        self.process_with(registry, Arc::default()).await
    }

    pub(crate) async fn process_with(&self, registry: Registry<Diary>, diary: Arc<Diary>) -> Process {
        let (db, committed) = self.connect().await;
        let broker = queue::broker::open(&self.broker, &db).expect("a valid broker configuration");
        Process::start(db, committed, broker, registry, diary)
    }

    /// RabbitMQ's name of a queue.
    pub(crate) fn rabbit_name(&self, queue: &str) -> String {
        format!("{}.{queue}", self.broker.prefix)
    }
}

/// A channel past our own code.
pub(crate) async fn amqp() -> (Connection, lapin::Channel) {
    let connection = Connection::connect(&amqp_url(), ConnectionProperties::default()).await.expect("RabbitMQ answers");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

fn with_database(url: &str, name: &str) -> String {
    let (base, parameters) =
        url.split_once('?').map_or((url, String::new()), |(base, rest)| (base, format!("?{rest}")));
    let (server, _) = base.rsplit_once('/').expect("the URL names a database");
    format!("{server}/{name}{parameters}")
}

impl Drop for Rig {
    fn drop(&mut self) {
        let (backend, name) = (self.backend, self.name.clone());
        let clean = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                if backend == Backend::PostgresRabbit {
                    clean_rabbit(&name).await;
                }
                if backend != Backend::SqliteEmbedded {
                    let admin = sea_orm::Database::connect(postgres_url()).await.expect("PostgreSQL answers");
                    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                    admin.execute_unprepared(&drop).await.expect("the test's database goes");
                }
            });
        });
        clean.join().expect("nothing is left behind");
    }
}

async fn clean_rabbit(prefix: &str) {
    let (connection, channel) = amqp().await;
    for queue in jobs::QUEUES.into_iter().chain(["dead", "listener"]) {
        let _ = channel.queue_delete(format!("{prefix}.{queue}").into(), QueueDeleteOptions::default()).await;
    }
    for exchange in ["jobs", "events", "dead"] {
        let _ = channel.exchange_delete(format!("{prefix}.{exchange}").into(), ExchangeDeleteOptions::default()).await;
    }
    let _ = connection.close(200, "bye".into()).await;
}

/// Waits until the condition holds; a test that waits in vain for thirty seconds fails.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
