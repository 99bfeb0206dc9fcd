//! The database connection and its transactions: after a commit, what was enqueued goes to the relay without polling.

use std::{ops::Deref, sync::Arc, time::Duration};

use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, RuntimeErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait, sqlx::postgres::PgConnectOptions,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

mod absence;
mod fitness;
mod pooler;
mod prompt_tcp;
mod session;
mod unless_there;
mod watch;

use self::{prompt_tcp::PromptTcp, watch::Watch};
use crate::{
    handover::{self, CommittedMessages, Handover},
    message::{Message, NewMessage},
};
pub use absence::{Unwritable, is_absent, is_contended};
pub use fitness::Unfit;
pub use pooler::PoolerUnfit;
pub use session::Session;
pub use unless_there::{insert_missing, insert_unless_there};

/// Where the database is and how many connections may be open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `sqlite:///path/to/file`, or `postgres://user:password@host/name`; a server on the same host is quickest by its
    /// Unix socket (`postgres:///name?host=/var/run/postgresql`).
    pub url: SecretString,
    /// Connections this process may open.
    pub connections_max: u32,
    /// How long a request waits for a free connection, and on SQLite for another process that writes, milliseconds.
    pub acquire_timeout_ms: u64,
    /// PostgreSQL: how long a statement may take, milliseconds; 0 sets no limit. A lock is waited for two thirds of it,
    /// and a transaction whose process stands still is ended after two thirds of it. A connection over which an answer
    /// is owed for twice as long is given up.
    pub statement_timeout_ms: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: SecretString::from(""),
            connections_max: 16,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 15_000,
        }
    }
}

impl DatabaseConfig {
    /// For changing the schema: few connections, which may take and keep what they need for as long as they need it.
    #[must_use]
    pub fn without_limits(&self) -> Self {
        Self { connections_max: 2, statement_timeout_ms: 0, ..self.clone() }
    }

    /// The limits that the server itself keeps for each session: it notices when this process, or its host, stands
    /// still, and lets go of what it held.
    fn limits(&self, postgres: PgConnectOptions) -> PgConnectOptions {
        if self.statement_timeout_ms == 0 {
            return postgres;
        }
        let shorter = self.statement_timeout_ms * 2 / 3;
        postgres.options([
            ("statement_timeout", self.statement_timeout_ms),
            ("lock_timeout", shorter),
            ("idle_in_transaction_session_timeout", shorter),
        ])
    }

    /// Beyond the server's own limits nothing but a broken line explains the silence.
    fn silence_max(&self) -> Option<Duration> {
        (self.statement_timeout_ms > 0).then(|| Duration::from_millis(self.statement_timeout_ms * 2))
    }
}

/// A handle on the database, cheap to clone. Reads go through [`Deref`] to the pool; writes start with [`Self::begin`].
#[derive(Clone)]
pub struct Database {
    pool: DatabaseConnection,
    /// SQLite has one writer: waiting here is fair and does not poll, unlike `busy_timeout`.
    writer: Option<Arc<Mutex<()>>>,
    /// How long one of them waits for all those before it.
    turn: Duration,
    watch: Watch,
    handover: Handover,
    _prompt_tcp: Option<PromptTcp>,
}

impl Database {
    /// Opens the pool. The second value is for [`crate::Relay`]: it yields what each commit enqueued. A process that
    /// runs no relay drops it, and the sweepers of others find its rows at once.
    ///
    /// # Errors
    /// The database cannot be reached in time, or the URL is malformed.
    pub async fn connect(config: &DatabaseConfig) -> Result<(Self, CommittedMessages), DbErr> {
        let mut options = ConnectOptions::new(config.url.expose_secret());
        let busy_timeout = Duration::from_millis(config.acquire_timeout_ms);
        options
            .max_connections(config.connections_max)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .create_if_missing(true)
                    .pragma("journal_mode", "WAL")
                    .pragma("synchronous", "FULL")
                    .busy_timeout(busy_timeout)
            });
        let url = config.url.expose_secret();
        let prompt_tcp = if url.starts_with("postgres") {
            PromptTcp::to(url, config.silence_max())
                .map_err(|error| DbErr::Conn(RuntimeErr::Internal(error.to_string())))?
        } else {
            None
        };
        let (limits, folder) = (config.clone(), prompt_tcp.as_ref().map(|prompt_tcp| prompt_tcp.folder().to_owned()));
        options.map_sqlx_postgres_opts(move |postgres| {
            // Poolers refuse it, and servers tell floating-point numbers exactly without it since PostgreSQL 12.
            let postgres = limits.limits(postgres).extra_float_digits(None);
            match &folder {
                Some(folder) => postgres.socket(folder),
                None => postgres,
            }
        });
        let watch = Watch::default();
        let (over_file, over_server) = (watch.clone(), watch.clone());
        options.map_sqlx_sqlite_pool_opts(move |pool| over_file.over_file(pool));
        options.map_sqlx_postgres_pool_opts(move |pool| over_server.over_server(pool));
        let pool = sea_orm::Database::connect(options).await?;
        let writer = (pool.get_database_backend() == DatabaseBackend::Sqlite).then(Arc::default);
        let (handover, committed) = handover::channel();
        // A process at work may itself wait for another process.
        let turn = busy_timeout * 2;
        Ok((Self { pool, writer, turn, watch, handover, _prompt_tcp: prompt_tcp }, committed))
    }

    /// Starts a transaction that may write. On SQLite it is `IMMEDIATE` and waits for the one before it.
    ///
    /// # Errors
    /// When no connection is to be had in time.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        let guard = match &self.writer {
            Some(writer) => {
                let turn = tokio::time::timeout(self.turn, Arc::clone(writer).lock_owned()).await;
                Some(turn.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?)
            }
            None => None,
        };
        let options = TransactionOptions {
            sqlite_transaction_mode: guard.as_ref().map(|_| SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let begun = self.pool.begin_with_options(options).await;
        let inner = begun.inspect_err(|error| self.watch.note(error))?;
        let inner = Session { inner, watch: self.watch.clone() };
        Ok(Transaction { inner, enqueued: Vec::new(), handover: self.handover.clone(), _writer: guard })
    }
}

impl Deref for Database {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.pool
    }
}

/// A transaction whose enqueued messages reach the relay when, and only when, it commits. Dropping it rolls back.
pub struct Transaction {
    inner: Session,
    enqueued: Vec<Message>,
    handover: Handover,
    _writer: Option<OwnedMutexGuard<()>>,
}

impl Transaction {
    /// Writes the messages to the outbox and returns their ids in order.
    ///
    /// # Errors
    /// The insert failed: the caller rolls the transaction back.
    pub async fn enqueue(&mut self, messages: Vec<NewMessage>) -> Result<Vec<Uuid>, DbErr> {
        let rows = crate::outbox::insert(&self.inner, messages, self.handover.is_open()).await?;
        let ids = rows.iter().map(|row| row.message.message_id).collect();
        self.enqueued.extend(rows.into_iter().filter(|row| row.due_now).map(|row| row.message));
        Ok(ids)
    }

    /// Commits, then hands what is due at once to the relay.
    ///
    /// # Errors
    /// The commit failed. Its outcome is unknown, and the sweeper publishes whatever did commit.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.inner.commit().await?;
        if !self.enqueued.is_empty() {
            fail::fail_point!("commit.before_handover");
            self.handover.hand_over(self.enqueued);
        }
        Ok(())
    }
}

impl Transaction {
    pub(crate) fn backend(&self) -> DatabaseBackend {
        self.inner.get_database_backend()
    }
}

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.inner
    }
}
