//! What is owed to endpoints, written as the product's fan-out writes it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement, TransactionTrait};
use uuid::Uuid;

/// The length of a payment's event, about.
const PADDING: usize = 900;

/// Version 7 ids, as the product makes them.
const ID: &str = "(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || \
                  substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid";

pub(super) struct Owed<'a> {
    db: &'a DatabaseConnection,
}

/// A body of an event.
pub(super) fn body(id: &str) -> String {
    format!(r#"{{"id":"{id}","type":"payment.paid","data":{{"padding":"{}"}}}}"#, "x".repeat(PADDING))
}

impl<'a> Owed<'a> {
    pub(super) async fn new(db: &'a DatabaseConnection) -> anyhow::Result<Self> {
        // Which payment an event is about: one after the other.
        let numbered =
            "CREATE TABLE bench_payments AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM payments";
        db.execute_unprepared(numbered).await?;
        Ok(Self { db })
    }

    /// So many events that each of these endpoints wants now.
    pub(super) async fn due_now(&self, endpoints: &[Uuid], events: usize) -> anyhow::Result<()> {
        self.write(endpoints, events, "pending", "now()").await
    }

    /// So many that are held.
    pub(super) async fn held(&self, endpoints: &[Uuid], events: usize) -> anyhow::Result<()> {
        self.write(endpoints, events, "held", "NULL").await
    }

    async fn write(&self, endpoints: &[Uuid], events: usize, status: &str, at: &str) -> anyhow::Result<()> {
        let (of, body) = (list(endpoints), body("'||id||'"));
        let tx = self.db.begin().await?;
        for sql in [
            format!(
                "CREATE TEMP TABLE bench_events ON COMMIT DROP AS SELECT {ID} AS id, n FROM generate_series(1, {events}) n"
            ),
            format!("INSERT INTO webhook_bodies SELECT id, 'standard', '{body}', now() FROM bench_events"),
            format!(
                "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, format, event_type, payment_id, sequence, \
                 occurred_at, status, attempts, round_attempts, next_attempt_at, created_at, updated_at) \
                 SELECT {ID}, e.id, b.id, 'standard', 'payment.paid', p.id, 1, now(), '{status}', 0, 0, {at}, now(), now() \
                 FROM bench_events b JOIN bench_payments p ON p.number = b.n % (SELECT count(*) FROM bench_payments) \
                 CROSS JOIN webhook_endpoints e WHERE e.id IN ({of})"
            ),
            format!("UPDATE webhook_endpoints SET due_at = {at} WHERE id IN ({of})"),
        ] {
            tx.execute_unprepared(&sql).await?;
        }
        tx.commit().await?;
        self.db.execute_unprepared("ANALYZE webhook_deliveries, webhook_bodies").await?;
        Ok(())
    }

    /// Waits until all of it is written down as delivered, each at the first attempt.
    pub(super) async fn until_written(&self, endpoints: &[Uuid], within: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        let of = list(endpoints);
        while self.count(&format!("endpoint_id IN ({of}) AND status = 'pending'")).await? > 0 {
            if started.elapsed() > within {
                bail!("what has arrived is not written down within {within:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let otherwise =
            self.count(&format!("endpoint_id IN ({of}) AND (status <> 'delivered' OR attempts <> 1)")).await?;
        if otherwise > 0 {
            bail!("{otherwise} deliveries were not delivered at the first attempt");
        }
        Ok(())
    }

    async fn count(&self, condition: &str) -> anyhow::Result<i64> {
        let sql = format!("SELECT count(*) AS count FROM webhook_deliveries WHERE {condition}");
        let row = self.db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
        Ok(row.context("a count")?.try_get::<i64>("", "count")?)
    }
}

fn list(endpoints: &[Uuid]) -> String {
    let quoted: Vec<String> = endpoints.iter().map(|id| format!("'{id}'")).collect();
    quoted.join(", ")
}
