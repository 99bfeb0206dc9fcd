//! Whether a database can be worked with: it answers, and takes what is written.

use std::time::Instant;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement, Value};
use uuid::Uuid;

use super::{
    Database,
    absence::{Unwritable, is_absent, unwritable},
};

/// How much a trial writes: enough that it has to find room of its own.
const TRIAL: usize = 64 * 1024;

/// Why a database cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// No statement reaches the database.
    #[error("does not answer")]
    Absent(#[source] DbErr),
    /// The database can be read and takes no writes.
    #[error("takes nothing that is written: {0}")]
    Unwritable(Unwritable),
}

impl Unfit {
    /// A disk that fails may not even let a file be opened: that is not silence.
    fn of(error: DbErr) -> Self {
        unwritable(&error).map_or(Self::Absent(error), Self::Unwritable)
    }
}

impl Database {
    /// Whether it answers and takes what is written. Something is written only where something was refused before.
    pub async fn check(&self) -> Result<(), Unfit> {
        if self.is_read_only().await.map_err(Unfit::of)? {
            // Others may be let in to a server that does write.
            self.watch.give_up();
            return Err(Unfit::Unwritable(Unwritable::ReadOnly));
        }
        match self.watch.refused() {
            None => Ok(()),
            Some(why) => {
                if self.watch.may_try() {
                    self.check_writing().await?;
                }
                self.watch.refused().map_or(Ok(()), |_| Err(Unfit::Unwritable(why)))
            }
        }
    }

    /// The same, by writing something in any case.
    pub async fn check_writing(&self) -> Result<(), Unfit> {
        let begun = Instant::now();
        match self.try_writing().await {
            Ok(()) => self.watch.written(begun),
            Err(error) if unwritable(&error).is_some() || is_absent(&error) => return Err(Unfit::of(error)),
            // The schema is not there yet, or another's; that is reported elsewhere.
            Err(error) => tracing::warn!(%error, "whether the database can be written could not be tried"),
        }
        Ok(())
    }

    async fn try_writing(&self) -> Result<(), DbErr> {
        let tx = self.begin().await?;
        let run = async |sql: &str, values: Vec<Value>| {
            tx.execute_raw(Statement::from_sql_and_values(tx.backend(), sql, values)).await
        };
        let id = Uuid::now_v7();
        run("INSERT INTO write_trials (id, filler) VALUES ($1, $2)", vec![id.into(), vec![0_u8; TRIAL].into()]).await?;
        run("DELETE FROM write_trials WHERE id = $1", vec![id.into()]).await?;
        tx.commit().await
    }

    async fn is_read_only(&self) -> Result<bool, DbErr> {
        if self.get_database_backend() != DatabaseBackend::Postgres {
            return self.execute_unprepared("SELECT 1").await.map(|_| false);
        }
        let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only";
        let row = self.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
        row.map_or(Ok(false), |row| row.try_get("", "read_only"))
    }
}
