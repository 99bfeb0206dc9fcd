//! What may stand between us and PostgreSQL: a pooler such as PgBouncer, which in transaction mode runs each
//! transaction on whichever of the server's sessions is free. What is prepared on one has to be carried along to the
//! others.

use std::time::Duration;

use sea_orm::{
    DatabaseBackend, DbErr, RuntimeErr,
    sqlx::{self, Acquire, PgConnection, PgPool},
};

use super::{
    Database,
    absence::{is_outdated, sqlx_error},
};

/// How long trying may take: a pooler may have but one session for everybody, and then it never changes.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a pooler cannot be worked with. Trying again does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolerUnfit {
    /// Statements that were prepared are not there in the next transaction.
    #[error(
        "the pooler that database.url names gives each transaction another session of the server and does not carry \
         prepared statements along; use PgBouncer 1.21 or later with max_prepared_statements above 0, or pool_mode = \
         session, or name the server itself in database.url"
    )]
    ForgetsStatements,
    /// It refuses what sessions are started with.
    #[error(
        "the pooler that database.url names refuses the limits of a session ({0}); let it pass them by \
         (ignore_startup_parameters = options, and from PgBouncer 1.20 on also statement_timeout, lock_timeout, \
         idle_in_transaction_session_timeout) and set them for the role, or set database.statement_timeout_ms = 0"
    )]
    RefusesLimits(String),
}

impl PoolerUnfit {
    /// What an error at the first connection says of a pooler, if it is that.
    #[must_use]
    pub fn said_by(error: &DbErr) -> Option<Self> {
        match sqlx_error(error) {
            Some(sqlx::Error::Database(database)) if database.message().contains("startup parameter") => {
                Some(Self::RefusesLimits(database.message().to_owned()))
            }
            _ => None,
        }
    }
}

impl Database {
    /// Finds out whether a pooler in between can be worked with. Where there is none, or nothing can be found out, all
    /// is well.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn check_pooler(&self) -> Result<(), PoolerUnfit> {
        if sea_orm::ConnectionTrait::get_database_backend(&self.pool) != DatabaseBackend::Postgres {
            return Ok(());
        }
        let tried = tokio::time::timeout(PATIENCE, move_between_sessions(self.pool.get_postgres_connection_pool()));
        // The next caller of the database gets every other error.
        let Ok(Err(error)) = tried.await else { return Ok(()) };
        let forgotten = is_outdated(&DbErr::Query(RuntimeErr::SqlxError(error.into())));
        if forgotten { Err(PoolerUnfit::ForgetsStatements) } else { Ok(()) }
    }
}

/// Has a connection prepare a statement on one session and run it on another. While somebody else is in a transaction,
/// a pooler needs a second session; when that has ended, it takes the one that was used last, which is the other's.
async fn move_between_sessions(pool: &PgPool) -> Result<(), sqlx::Error> {
    let (mut other, mut connection) = (pool.acquire().await?, pool.acquire().await?);
    for _ in 0..2 {
        let held = other.begin().await?;
        let first = session(&mut connection).await?;
        held.rollback().await?;
        let mut tx = connection.begin().await?;
        let second = session(&mut tx).await?;
        tx.rollback().await?;
        if first != second {
            tracing::info!("a pooler stands before the database, and carries prepared statements along");
            break;
        }
    }
    Ok(())
}

/// The server's process behind a connection.
async fn session(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await
}
