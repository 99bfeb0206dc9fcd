//! A bare loop on the same SQLite file: one payment's rows a transaction, one after another, durable like the product's.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use chrono::Utc;
use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use uuid::Uuid;

use super::bare_row::BareRow;
use crate::figures::rate;

pub(super) struct SqliteLoop {
    connection: SqliteConnection,
    inserts: [String; 3],
}

impl SqliteLoop {
    pub(super) async fn new(file: &Path, row: BareRow) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let connection = SqliteConnection::connect_with(&options).await?;
        Ok(Self { connection, inserts: row.sqlite_inserts() })
    }

    /// Transactions a second.
    pub(super) async fn measure(&mut self, time: Duration) -> anyhow::Result<f64> {
        let (started, mut count) = (Instant::now(), 0);
        while started.elapsed() < time {
            let (id, now) = (Uuid::now_v7(), Utc::now());
            self.connection.execute("BEGIN IMMEDIATE").await?;
            for insert in &self.inserts {
                sqlx::query(AssertSqlSafe(insert.as_str())).bind(id).bind(now).execute(&mut self.connection).await?;
            }
            self.connection.execute("COMMIT").await?;
            count += 1;
        }
        Ok(rate(count, started.elapsed()))
    }
}
