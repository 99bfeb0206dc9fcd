//! Taking endpoints, keeping them, and giving them up.

use chrono::{DateTime, Utc};
use entities::{WebhookEndpointId, now, webhook_endpoint};
use queue::Database;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, ExprTrait, Statement, Value, prelude::*};

use super::LaneContext;

/// Endpoints that are taken with one statement, at most.
pub(super) const TOGETHER: usize = 32;

/// What is due and nobody's. `$1` is now.
const DUE: &str = "due_at IS NOT NULL AND due_at <= $1 AND (lane_until IS NULL OR lane_until <= $1)";

/// The condition with its values: what is due now, but for these.
fn due(but: &[WebhookEndpointId]) -> (String, Vec<Value>) {
    let mut values = vec![Value::from(now())];
    if but.is_empty() {
        return (DUE.to_owned(), values);
    }
    values.extend(but.iter().map(|id| Value::from(id.0)));
    let places: Vec<String> = (2..=values.len()).map(|place| format!("${place}")).collect();
    (format!("{DUE} AND id NOT IN ({})", places.join(", ")), values)
}

/// Whether anything is due, but for these. A read costs neither a write lock (SQLite) nor a transaction id
/// (PostgreSQL).
pub(super) async fn anything(context: &LaneContext, but: &[WebhookEndpointId]) -> Result<bool, DbErr> {
    let (condition, values) = due(but);
    let sql = format!("SELECT id FROM webhook_endpoints WHERE {condition} LIMIT 1");
    let statement = Statement::from_sql_and_values(context.db.get_database_backend(), sql, values);
    Ok(context.db.query_one_raw(statement).await?.is_some())
}

/// Takes up to so many endpoints, the longest due first. What another process is taking at this moment is passed over
/// on PostgreSQL; SQLite has one writer, which amounts to the same.
pub(super) async fn claim(
    context: &LaneContext,
    limit: usize,
    but: &[WebhookEndpointId],
) -> Result<Vec<webhook_endpoint::Model>, DbErr> {
    if !anything(context, but).await? {
        return Ok(Vec::new());
    }
    let backend = context.db.get_database_backend();
    let (condition, mut values) = due(but);
    let (owner, until) = (values.len() + 1, values.len() + 2);
    values.extend([Value::from(context.owner), Value::from(now() + context.config.lease())]);
    let lock = if backend == DatabaseBackend::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "WITH due AS MATERIALIZED \
         (SELECT id FROM webhook_endpoints WHERE {condition} ORDER BY due_at LIMIT {limit} {lock}) \
         UPDATE webhook_endpoints SET lane_owner = ${owner}, lane_until = ${until} \
         WHERE id IN (SELECT id FROM due) RETURNING *"
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let tx = context.db.begin().await?;
    let endpoints = webhook_endpoint::Entity::find().from_raw_sql(statement).all(&*tx).await?;
    tx.commit().await?;
    fail::fail_point!("webhook.lane_taken");
    Ok(endpoints)
}

/// Keeps the endpoint for another lease. `false`: somebody else has it.
pub(crate) async fn renew(context: &LaneContext, id: WebhookEndpointId) -> Result<bool, DbErr> {
    let tx = context.db.begin().await?;
    let kept = webhook_endpoint::Entity::update_many()
        .col_expr(webhook_endpoint::Column::LaneUntil, Expr::value(now() + context.config.lease()))
        .filter(webhook_endpoint::Column::Id.eq(id))
        .filter(webhook_endpoint::Column::LaneOwner.eq(context.owner))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    Ok(kept.rows_affected > 0)
}

/// When an endpoint is to be polled again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recheck {
    /// When its next delivery is due, but not before this.
    Due(Option<DateTime<Utc>>),
    /// Now; others may be before it.
    Now,
}

impl Recheck {
    async fn at(self, db: &Database, id: WebhookEndpointId) -> Result<Option<DateTime<Utc>>, DbErr> {
        match self {
            Self::Now => Ok(Some(now())),
            Self::Due(not_before) => {
                let next = next_due(db, id).await?;
                Ok(next.map(|at| not_before.map_or(at, |before| std::cmp::max(at, before))))
            }
        }
    }
}

/// Gives the endpoint up.
///
/// What is committed while this looks for the next due delivery might be missed, and the process that commits it finds
/// the endpoint due and thinks that its lane goes on. So it is polled once more after it was given up: what was
/// committed before is seen then, and what comes later finds an endpoint that waits. If the process dies in between,
/// the sweep finds it.
pub(crate) async fn release(context: &LaneContext, id: WebhookEndpointId, again: Recheck) -> Result<(), DbErr> {
    let at = again.at(&context.db, id).await?;
    let tx = context.db.begin().await?;
    let released = webhook_endpoint::Entity::update_many()
        .col_expr(webhook_endpoint::Column::DueAt, Expr::value(at))
        .col_expr(webhook_endpoint::Column::LaneOwner, Expr::value(None::<Uuid>))
        .col_expr(webhook_endpoint::Column::LaneUntil, Expr::value(None::<DateTime<Utc>>))
        .filter(webhook_endpoint::Column::Id.eq(id))
        .filter(webhook_endpoint::Column::LaneOwner.eq(context.owner))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    fail::fail_point!("webhook.lane_released");
    if released.rows_affected == 0 {
        return Ok(());
    }
    let Some(earlier) = again.at(&context.db, id).await?.filter(|now| at.is_none_or(|at| *now < at)) else {
        return Ok(());
    };
    let tx = context.db.begin().await?;
    webhook_endpoint::Entity::update_many()
        .col_expr(webhook_endpoint::Column::DueAt, Expr::value(earlier))
        .filter(webhook_endpoint::Column::Id.eq(id))
        .filter(webhook_endpoint::Column::DueAt.is_null().or(webhook_endpoint::Column::DueAt.gt(earlier)))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    context.waker.wake();
    Ok(())
}

/// The two kinds one by one: each is a look at the end of an index.
async fn next_due(db: &Database, id: WebhookEndpointId) -> Result<Option<DateTime<Utc>>, DbErr> {
    let next = "SELECT MIN(next_attempt_at) AS next FROM webhook_deliveries \
                WHERE endpoint_id = $1 AND status = 'pending' AND recovered =";
    let sql = format!("SELECT MIN(next) AS next FROM ({next} false UNION ALL {next} true) AS kinds");
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [id.0.into()]);
    let row = db.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "next")).transpose()?.flatten())
}
