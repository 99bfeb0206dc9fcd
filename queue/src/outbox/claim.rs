//! Taking due rows in hand, keeping them, and giving them back.

use std::time::Duration;

use chrono::Utc;
use sea_orm::{
    ColumnTrait, DatabaseBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Statement, Value,
    sea_query::{Expr, SimpleExpr},
};
use uuid::Uuid;

use super::{CLAIM, Column, Entity};
use crate::{broker::Intake, database::Database, message::Message};

/// Rows that one sweep takes.
pub(crate) const SWEEP: u64 = 500;

/// Ids per statement.
const IDS: usize = 512;

/// Claims up to [`SWEEP`] due rows that the broker wants, oldest first. Rows that another process is claiming at this
/// moment are passed over on PostgreSQL; SQLite has one writer, which amounts to the same.
pub(crate) async fn claim(db: &Database, intake: &Intake) -> Result<Vec<Message>, DbErr> {
    let now = Utc::now();
    let queues = match intake {
        Intake::Nothing => return Ok(Vec::new()),
        Intake::Queues(queues) if queues.is_empty() => return Ok(Vec::new()),
        Intake::Queues(queues) => queues.as_slice(),
        Intake::Everything => &[],
    };
    // Most sweeps find nothing: a read costs neither a write lock (SQLite) nor a transaction id (PostgreSQL).
    let mut due = Entity::find().filter(Column::DueAt.lte(now));
    if !queues.is_empty() {
        due = due.filter(Column::Queue.is_in(queues));
    }
    if due.limit(1).count(&**db).await? == 0 {
        return Ok(Vec::new());
    }
    let tx = db.begin().await?;
    let rows = Entity::find().from_raw_sql(claim_statement(tx.backend(), queues, now)).all(&*tx).await?;
    fail::fail_point!("claim.before_commit");
    tx.commit().await?;
    fail::fail_point!("claim.committed");
    Ok(rows.into_iter().map(Message::from).collect())
}

/// The inner query is materialised, so that the limit and the locks hold whatever plan the planner chooses.
fn claim_statement(backend: DatabaseBackend, queues: &[String], now: chrono::DateTime<Utc>) -> Statement {
    let mut values: Vec<Value> = vec![now.into(), (now + CLAIM).into()];
    let mut of_queues = String::new();
    if !queues.is_empty() {
        let first = values.len() + 1;
        let places: Vec<_> = (first..first + queues.len()).map(|place| format!("${place}")).collect();
        of_queues = format!("AND queue IN ({})", places.join(", "));
        values.extend(queues.iter().map(|queue| Value::from(queue.as_str())));
    }
    let lock = if backend == DatabaseBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "WITH due AS MATERIALIZED \
         (SELECT id FROM outbox WHERE due_at <= $1 {of_queues} ORDER BY due_at LIMIT {SWEEP} {lock}) \
         UPDATE outbox SET due_at = $2, claims = claims + 1 WHERE id IN (SELECT id FROM due) RETURNING *"
    );
    Statement::from_sql_and_values(backend, sql, values)
}

/// Moves the claim of rows that are still being worked on.
pub(crate) async fn renew(db: &Database, ids: &[Uuid]) -> Result<(), DbErr> {
    set_due(db, ids, CLAIM).await
}

/// Gives rows back: whichever sweeper comes first may have them.
pub(crate) async fn release(db: &Database, ids: &[Uuid]) -> Result<(), DbErr> {
    set_due(db, ids, Duration::ZERO).await
}

async fn set_due(db: &Database, ids: &[Uuid], after: Duration) -> Result<(), DbErr> {
    for ids in ids.chunks(IDS) {
        let tx = db.begin().await?;
        let due = Expr::value(Utc::now() + after);
        Entity::update_many().col_expr(Column::DueAt, due).filter(among(ids)).exec(&*tx).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Deletes rows that are done.
pub(crate) async fn erase(db: &Database, ids: &[Uuid]) -> Result<(), DbErr> {
    for ids in ids.chunks(IDS) {
        let tx = db.begin().await?;
        Entity::delete_many().filter(among(ids)).exec(&*tx).await?;
        fail::fail_point!("erase.before_commit");
        tx.commit().await?;
    }
    Ok(())
}

/// The list is filled up to a power of two by repeating its last id: lists of any length then share ten prepared
/// statements instead of pushing everything else out of each connection's cache.
fn among(ids: &[Uuid]) -> SimpleExpr {
    let filling = ids.last().into_iter().cycle().take(ids.len().next_power_of_two() - ids.len());
    Column::Id.is_in(ids.iter().chain(filling).copied())
}
