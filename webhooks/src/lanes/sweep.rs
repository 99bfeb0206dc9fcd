//! Finds endpoints that nobody woke, because the process that should have done it died; and measures.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use entities::{WebhookEndpointId, now};
use metrics::gauge;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio_util::sync::CancellationToken;

use super::{LaneContext, SWEEP_EVERY};
use crate::fan_out::{Waiting, wake};

/// How often the lag is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Sweeps that pass between two measurements of what changes slowly.
const MEASURES_PER_SWEEP: u64 = SWEEP_EVERY.as_secs() / MEASURE_EVERY.as_secs();

pub(super) async fn run(context: &LaneContext, stop: &CancellationToken) {
    let mut turn = 0_u64;
    while !stop.is_cancelled() {
        if let Err(error) = once(context, turn.is_multiple_of(MEASURES_PER_SWEEP)).await {
            tracing::warn!(%error, "forgotten webhooks could not be looked for; trying again");
        }
        turn += 1;
        let _ = tokio::time::timeout(MEASURE_EVERY, stop.cancelled()).await;
    }
}

async fn once(context: &LaneContext, whole: bool) -> Result<(), DbErr> {
    measure_lag(context).await?;
    if !whole {
        return Ok(());
    }
    measure_endpoints(context).await?;
    let forgotten = forgotten(context).await?;
    if !forgotten.is_empty() {
        tracing::info!(endpoints = forgotten.len(), "webhooks that nobody was told of are taken up");
        wake(&context.db, &Waiting(forgotten)).await?;
        context.waker.wake();
    }
    Ok(())
}

/// Endpoints with something due that do not say so.
async fn forgotten(context: &LaneContext) -> Result<BTreeSet<WebhookEndpointId>, DbErr> {
    let sql = "SELECT e.id FROM webhook_endpoints e WHERE (e.due_at IS NULL OR e.due_at > $1) \
               AND (e.breaker_until IS NULL OR e.breaker_until <= $1) AND EXISTS (SELECT 1 FROM webhook_deliveries d \
               WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.recovered IN (false, true) \
               AND d.next_attempt_at <= $1)";
    let statement = Statement::from_sql_and_values(context.db.get_database_backend(), sql, [now().into()]);
    let rows = context.db.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0).map(WebhookEndpointId)).collect()
}

async fn measure_lag(context: &LaneContext) -> Result<(), DbErr> {
    // One look into the index for each of the few endpoints that are due. What recoveries have released may wait.
    let sql = "SELECT MIN((SELECT MIN(d.next_attempt_at) FROM webhook_deliveries d WHERE d.endpoint_id = e.id \
               AND d.status = 'pending' AND d.recovered = false)) AS oldest FROM webhook_endpoints e \
               WHERE e.due_at IS NOT NULL AND e.due_at <= $1";
    let now = now();
    let statement = Statement::from_sql_and_values(context.db.get_database_backend(), sql, [now.into()]);
    let row = context.db.query_one_raw(statement).await?;
    let oldest: Option<DateTime<Utc>> = row.map(|row| row.try_get("", "oldest")).transpose()?.flatten();
    let lag = oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
    metrics::gauge!("quittance_webhook_oldest_due_seconds").set(f64::from(i32::try_from(lag).unwrap_or(i32::MAX)));
    Ok(())
}

async fn measure_endpoints(context: &LaneContext) -> Result<(), DbErr> {
    let counts = [
        (gauge!("quittance_webhook_breakers_open"), "breaker_step > 0 AND status = 'enabled' AND due_at IS NOT NULL"),
        (gauge!("quittance_webhook_endpoints_disabled"), "status = 'disabled'"),
    ];
    for (gauge, condition) in counts {
        let sql = format!("SELECT COUNT(*) FROM webhook_endpoints WHERE deleted_at IS NULL AND {condition}");
        let statement = Statement::from_string(context.db.get_database_backend(), sql);
        let row = context.db.query_one_raw(statement).await?;
        let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        gauge.set(f64::from(i32::try_from(count).unwrap_or(i32::MAX)));
    }
    Ok(())
}
