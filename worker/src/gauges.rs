//! Counts the payments that wait, for the metrics. One process at a time does it, whichever has the lease of this.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::now;
use metrics::gauge;
use queue::Database;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Pause between two counts.
const EVERY: Duration = Duration::from_secs(10);

/// How long the lease holds without a sign of its holder: another process then goes on.
const LEASE: TimeDelta = TimeDelta::seconds(25);

/// Where counting the payments of a status stops.
const COUNTED: u32 = 10_000;

/// What waits, by the word under which it is counted: whose turn it is, word by word the condition of an index, and that
/// index's order.
const WAITING: [(&str, &str, &str); 5] = [
    // payments_to_lapse
    ("pending", "status = 'pending'", "expires_at, id"),
    // payments_submitted
    ("submitted", "status = 'submitted'", "id"),
    // payments_to_release
    ("paid", "status = 'paid' AND release_requested_at IS NOT NULL", "id"),
    // payments_to_cancel
    ("canceling", "status = 'canceling'", "id"),
    // payments_needs_review
    (REVIEW, "status = 'needs_review'", "id"),
];

const REVIEW: &str = "needs_review";

/// Runs until it is stopped; what fails is tried again the next time.
pub async fn run(db: Database, stop: CancellationToken) {
    let owner = Uuid::now_v7();
    loop {
        let counted = match holds_lease(&db, owner).await {
            Ok(true) => count(&db).await,
            // Another process says how many there are; the most that any says is right.
            Ok(false) => Ok(WAITING.map(|(word, ..)| Waiting::none(word)).to_vec()),
            Err(error) => Err(error),
        };
        match counted {
            Ok(waiting) => waiting.iter().for_each(Waiting::show),
            Err(error) => tracing::warn!(%error, "what waits could not be counted; trying again"),
        }
        if tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Takes the lease where it is free, and renews it where it is ours.
async fn holds_lease(db: &Database, owner: Uuid) -> Result<bool, DbErr> {
    let sql = "UPDATE measuring_leases SET owner = $1, lease_until = $2 \
               WHERE subject = 'payments' AND (owner = $1 OR owner IS NULL OR lease_until < $3)";
    let now = now();
    let values = [owner.into(), (now + LEASE).into(), now.into()];
    let tx = db.begin().await?;
    let taken = tx.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    tx.commit().await?;
    Ok(taken.rows_affected() == 1)
}

#[derive(Clone, Debug, FromQueryResult)]
struct Waiting {
    word: String,
    payments: i64,
    since: Option<DateTime<Utc>>,
}

impl Waiting {
    fn none(word: &str) -> Self {
        Self { word: word.to_owned(), payments: 0, since: None }
    }

    fn show(&self) {
        let payments = u32::try_from(self.payments).unwrap_or(u32::MAX);
        let age = self.since.map_or(0, |since| (now() - since).num_seconds().max(0));
        let age = u32::try_from(age).unwrap_or(u32::MAX);
        if self.word == REVIEW {
            gauge!("quittance_reviews_waiting").set(payments);
            gauge!("quittance_reviews_oldest_seconds").set(age);
            return;
        }
        gauge!("quittance_payments_waiting", "status" => self.word.clone()).set(payments);
        gauge!("quittance_payments_oldest_seconds", "status" => self.word.clone()).set(age);
    }
}

/// One statement over the indexes of those that wait. Beyond what is counted, the age is that of the oldest among them.
async fn count(db: &Database) -> Result<Vec<Waiting>, DbErr> {
    let part = |(word, condition, order): (&str, &str, &str)| {
        format!(
            "SELECT '{word}' AS word, COUNT(*) AS payments, MIN(updated_at) AS since FROM \
             (SELECT updated_at FROM payments WHERE {condition} ORDER BY {order} LIMIT {COUNTED}) AS {word}"
        )
    };
    let sql = WAITING.map(part).join(" UNION ALL ");
    Waiting::find_by_statement(Statement::from_string(db.get_database_backend(), sql)).all(&**db).await
}
