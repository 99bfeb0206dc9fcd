//! What a process alone knows of the queues it works, shared with all: a row per process and queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, DbErr, entity::prelude::*, sea_query::OnConflict};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::Database;

/// How often a process reports, which is also what its rates are measured over.
pub(crate) const EVERY: Duration = Duration::from_secs(5);

/// A report that was not renewed for this long is of a process that is gone, or that cannot reach the database.
pub(crate) const FRESH: Duration = Duration::from_secs(20);

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "queue_reports")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) process_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) queue: String,
    pub(crate) in_flight: i64,
    pub(crate) done: i64,
    pub(crate) failed: i64,
    pub(crate) waited_ms: i64,
    pub(crate) window_ms: i64,
    pub(crate) reported_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What one lane counts; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaneCounters(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    in_flight: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    waited_ms: AtomicU64,
}

/// Deliveries that are being worked on; dropped when they are answered, or given up.
pub(crate) struct InFlight {
    counters: LaneCounters,
    messages: u64,
}

impl LaneCounters {
    /// Deliveries were taken, the oldest of which had waited for this long.
    pub(crate) fn taken(&self, messages: usize, waited: Duration) -> InFlight {
        let messages = u64::try_from(messages).unwrap_or(u64::MAX);
        self.0.in_flight.fetch_add(messages, Ordering::Relaxed);
        self.0.waited_ms.fetch_max(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        InFlight { counters: self.clone(), messages }
    }

    /// Counts deliveries whose jobs have ended.
    pub(crate) fn finished(&self, done: usize, failed: usize) {
        self.0.done.fetch_add(u64::try_from(done).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.failed.fetch_add(u64::try_from(failed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The counts since they were last taken; what is in flight stays.
    fn row(&self, process_id: Uuid, queue: &str, window: Duration) -> ActiveModel {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        ActiveModel {
            process_id: Set(process_id),
            queue: Set(queue.to_owned()),
            in_flight: Set(whole(self.0.in_flight.load(Ordering::Relaxed))),
            done: Set(whole(self.0.done.swap(0, Ordering::Relaxed))),
            failed: Set(whole(self.0.failed.swap(0, Ordering::Relaxed))),
            waited_ms: Set(whole(self.0.waited_ms.swap(0, Ordering::Relaxed))),
            window_ms: Set(i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1)),
            reported_at: Set(Utc::now()),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counters.0.in_flight.fetch_sub(self.messages, Ordering::Relaxed);
    }
}

/// Reports until cancelled, then takes the reports back. A report that fails is of no consequence: it is passed over,
/// and the next one comes in a few seconds.
pub(crate) async fn report(db: Database, counters: Vec<(&'static str, LaneCounters)>, cancellation: CancellationToken) {
    if counters.is_empty() {
        return;
    }
    let process_id = Uuid::now_v7();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    while cancellation.run_until_cancelled(ticks.tick()).await.is_some() {
        let rows = counters.iter().map(|(queue, counters)| counters.row(process_id, queue, last.elapsed())).collect();
        last = Instant::now();
        if let Err(error) = write(&db, rows).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot report on the queues");
        }
    }
    if let Err(error) = withdraw(&db, process_id).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot take back the reports on the queues");
    }
}

async fn write(db: &Database, rows: Vec<ActiveModel>) -> Result<(), DbErr> {
    let renew = OnConflict::columns([Column::ProcessId, Column::Queue])
        .update_columns([
            Column::InFlight,
            Column::Done,
            Column::Failed,
            Column::WaitedMs,
            Column::WindowMs,
            Column::ReportedAt,
        ])
        .to_owned();
    let expired = Column::ReportedAt.lt(Utc::now() - FRESH * 3);
    // Most of the time nobody is gone, and a read costs no lock.
    let any_expired = Entity::find().filter(expired.clone()).one(&**db).await?.is_some();
    let tx = db.begin().await?;
    Entity::insert_many(rows).on_conflict(renew).exec_without_returning(&*tx).await?;
    if any_expired {
        Entity::delete_many().filter(expired).exec(&*tx).await?;
    }
    tx.commit().await
}

async fn withdraw(db: &Database, process_id: Uuid) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    Entity::delete_many().filter(Column::ProcessId.eq(process_id)).exec(&*tx).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_its_window_and_what_is_still_under_way() {
        let counters = LaneCounters::default();
        let row = || counters.row(Uuid::nil(), "errand.v1", Duration::from_secs(5));
        let first = counters.taken(3, Duration::from_millis(40));
        let second = counters.taken(1, Duration::from_millis(7));
        counters.finished(2, 1);
        drop(first);
        let told = row();
        assert_eq!((told.in_flight.unwrap(), told.done.unwrap(), told.failed.unwrap()), (1, 2, 1));
        assert_eq!((told.waited_ms.unwrap(), told.window_ms.unwrap()), (40, 5_000));
        drop(second);
        let told = row();
        assert_eq!((told.in_flight.unwrap(), told.done.unwrap(), told.waited_ms.unwrap()), (0, 0, 0));
    }
}
