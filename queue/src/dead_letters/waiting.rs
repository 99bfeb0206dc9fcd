//! How many dead letters there are that nobody has dealt with.

use std::collections::BTreeMap;

use sea_orm::{DbErr, FromQueryResult, Statement};

use crate::{database::Database, outbox::Backlog};

#[derive(FromQueryResult)]
struct QueueRow {
    queue: String,
    letters: i64,
}

/// Dead letters by queue, those that wait for somebody to deal with them. Looks at the newest 10,000.
pub async fn waiting(db: &Database) -> Result<BTreeMap<String, u64>, DbErr> {
    let sql = format!(
        "SELECT queue, COUNT(*) AS letters FROM \
         (SELECT queue FROM dead_letters WHERE state = 'dead' ORDER BY id DESC LIMIT {}) AS looked_at GROUP BY queue",
        Backlog::COUNTED
    );
    let counted = QueueRow::find_by_statement(Statement::from_string(db.get_database_backend(), sql));
    Ok(counted.all(&**db).await?.into_iter().map(|row| (row.queue, row.letters.unsigned_abs())).collect())
}
