//! How each queue stands: what waits, for how long, who works on it and how quickly.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, Statement, entity::prelude::*};

use crate::{
    database::Database,
    outbox::{Backlog, CLAIM},
    reports::{self, FRESH},
};

/// The status of one queue, as far as the database knows it: what waits at RabbitMQ is the broker's to tell
/// ([`crate::Broker::depth`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStatus {
    /// Messages that are due, with nobody who has taken them in hand yet.
    pub waiting: u64,
    /// Messages that a process has taken in hand: on the way to RabbitMQ, or (embedded broker) waiting in its memory
    /// and being worked on. Those scheduled for the next five seconds count among them.
    pub taken: u64,
    /// Messages scheduled for later: retries, expiries.
    pub scheduled: u64,
    /// When the message that has been due for longest came due; of those that nobody has taken in hand.
    pub oldest_due_at: Option<DateTime<Utc>>,
    /// The longest that a message delivered in the last seconds had waited at its broker, milliseconds.
    pub waited_ms: u64,
    /// Processes that work the queue.
    pub workers: u64,
    /// Messages that they are working on.
    pub in_flight: u64,
    /// Jobs that ended well, thousandths a second.
    pub done_millis: u64,
    /// Attempts that failed (to be tried again, or given up), thousandths a second. Waiting is no failure.
    pub failed_millis: u64,
}

/// The status of each queue, by name; a queue of which nothing is known is missing. Looks at no more than 10,000
/// messages of each kind (waiting, taken, scheduled), so that a long backlog is not made longer by looking at it.
pub async fn queue_statuses(db: &Database) -> Result<BTreeMap<String, QueueStatus>, DbErr> {
    let now = Utc::now();
    let taken_until = now + CLAIM;
    let mut queues = BTreeMap::<String, QueueStatus>::new();
    for row in counted(db, "due_at <= $1", vec![now]).await? {
        let queue = queues.entry(row.queue).or_default();
        queue.waiting = row.messages.unsigned_abs();
        queue.oldest_due_at = row.oldest;
    }
    for row in counted(db, "due_at > $1 AND due_at <= $2", vec![now, taken_until]).await? {
        queues.entry(row.queue).or_default().taken = row.messages.unsigned_abs();
    }
    for row in counted(db, "due_at > $1", vec![taken_until]).await? {
        queues.entry(row.queue).or_default().scheduled = row.messages.unsigned_abs();
    }
    let fresh = reports::Column::ReportedAt.gte(now - FRESH);
    for report in reports::Entity::find().filter(fresh).all(&**db).await? {
        let window = report.window_ms.unsigned_abs().max(1);
        let rate = |count: i64| count.unsigned_abs().saturating_mul(1_000_000) / window;
        let queue = queues.entry(report.queue).or_default();
        queue.workers += 1;
        queue.in_flight += report.in_flight.unsigned_abs();
        queue.waited_ms = queue.waited_ms.max(report.waited_ms.unsigned_abs());
        queue.done_millis += rate(report.done);
        queue.failed_millis += rate(report.failed);
    }
    Ok(queues)
}

#[derive(FromQueryResult)]
struct QueueRow {
    queue: String,
    messages: i64,
    oldest: Option<DateTime<Utc>>,
}

/// Counts by queue along the index on `due_at`, which ends the count where it is long enough.
async fn counted(db: &Database, which: &str, times: Vec<DateTime<Utc>>) -> Result<Vec<QueueRow>, DbErr> {
    let sql = format!(
        "SELECT queue, COUNT(*) AS messages, MIN(due_at) AS oldest FROM \
         (SELECT queue, due_at FROM outbox WHERE {which} ORDER BY due_at LIMIT {}) AS looked_at GROUP BY queue",
        Backlog::COUNTED
    );
    let values = times.into_iter().map(Into::into).collect::<Vec<sea_orm::Value>>();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    QueueRow::find_by_statement(statement).all(&**db).await
}
