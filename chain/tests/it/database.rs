//! A fresh database for each test, dropped with it.

use migration::{Migrator, MigratorTrait};
use queue::{Database, DatabaseConfig};
use sea_orm::ConnectionTrait;
use secrecy::SecretString;
use uuid::Uuid;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

pub(crate) struct TestDatabase {
    pub(crate) db: Database,
    config: DatabaseConfig,
    _folder: Option<tempfile::TempDir>,
    dropped: Option<(String, String)>,
}

impl TestDatabase {
    pub(crate) async fn new(backend: Backend) -> Self {
        let (url, folder, dropped) = match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                (format!("sqlite://{}", folder.path().join("chain.sqlite").display()), Some(folder), None)
            }
            Backend::Postgres => {
                let server = std::env::var("QUITTANCE_TEST_POSTGRES_URL")
                    .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/test".to_owned());
                let name = format!("quittance_test_{}", Uuid::now_v7().simple());
                let admin = sea_orm::Database::connect(&server).await.expect("PostgreSQL answers");
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("creates a database");
                admin.close().await.expect("closes");
                (with_name(&server, &name), None, Some((server, name)))
            }
        };
        let config = DatabaseConfig { url: SecretString::from(url), connections_max: 6, ..DatabaseConfig::default() };
        let (db, _relay) = Database::connect(&config).await.expect("the database opens");
        Migrator::up(&*db, None).await.expect("migrates");
        Self { db, config, _folder: folder, dropped }
    }

    /// The same database as another process would use it.
    pub(crate) async fn connect(&self) -> Database {
        Database::connect(&self.config).await.expect("the database opens").0
    }
}

fn with_name(server: &str, name: &str) -> String {
    let (before, query) = server.split_once('?').map_or((server, None), |(before, query)| (before, Some(query)));
    let host = before.rsplit_once('/').map_or(before, |(host, _)| host);
    match query {
        Some(query) => format!("{host}/{name}?{query}"),
        None => format!("{host}/{name}"),
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.dropped.take() else { return };
        // The test's own runtime may be gone: a thread with one of its own drops the database.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let admin = sea_orm::Database::connect(&server).await?;
                admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test database stays: {error}");
        }
    }
}
