//! How many dead letters there are, as a metric.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use sea_orm::{DbErr, FromQueryResult, Statement};

use crate::database::Database;

/// How often they are counted.
const EVERY: Duration = Duration::from_secs(30);

/// Where counting stops.
const COUNTED: u64 = 100_000;

/// Counts the dead letters of each queue now and then.
#[derive(Default)]
pub(super) struct Gauge {
    sampled: Option<Instant>,
    queues: BTreeSet<String>,
}

#[derive(FromQueryResult)]
struct Count {
    queue: String,
    letters: i64,
}

impl Gauge {
    /// Counts the letters if it is time. The gauge of a queue that has none any more becomes zero.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the count is bounded")]
    pub(super) async fn sample(&mut self, db: &Database) -> Result<(), DbErr> {
        if self.sampled.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        let sql = format!(
            "SELECT queue, COUNT(*) AS letters FROM \
             (SELECT queue FROM dead_letters WHERE state = 'dead' LIMIT {COUNTED}) AS dead GROUP BY queue"
        );
        let counts =
            Count::find_by_statement(Statement::from_string(db.get_database_backend(), sql)).all(&**db).await?;
        let counts: HashMap<String, i64> = counts.into_iter().map(|count| (count.queue, count.letters)).collect();
        self.queues.extend(counts.keys().cloned());
        for queue in &self.queues {
            let letters = counts.get(queue).copied().unwrap_or(0);
            metrics::gauge!("quittance_dead_letters", "queue" => queue.clone()).set(letters as f64);
        }
        self.sampled = Some(Instant::now());
        Ok(())
    }
}
