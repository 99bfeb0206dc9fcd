//! Forgetting what has had its time.

use chrono::{DateTime, Utc};
use entities::{WebhookDeliveryId, event, notice, webhook_attempt, webhook_body, webhook_delivery};
use queue::Database;
use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    prelude::*,
};

/// Rows that go in one transaction: few enough that nobody waits for it.
const TOGETHER: u64 = 500;

/// Deletes deliveries older than this with their attempts, unless they are pending, and events; then bodies that nobody is
/// owed any more, and what operators were notified of.
///
/// # Errors
/// A statement failed. What was deleted before stays deleted, and the next call goes on.
pub async fn forget_before(db: &Database, time: DateTime<Utc>) -> Result<(), DbErr> {
    while deliveries(db, time).await? >= TOGETHER {}
    while events(db, time).await? >= TOGETHER {}
    while bodies(db, time).await? >= TOGETHER {}
    let tx = db.begin().await?;
    notice::Entity::delete_many()
        .filter(notice::Column::CreatedAt.lt(time))
        .filter(notice::Column::Key.not_like("cursor:%"))
        .exec(&*tx)
        .await?;
    tx.commit().await
}

async fn deliveries(db: &Database, time: DateTime<Utc>) -> Result<u64, DbErr> {
    use webhook_delivery::Column::{CreatedAt, Id, Status};
    let tx = db.begin().await?;
    let old: Vec<WebhookDeliveryId> = webhook_delivery::Entity::find()
        .select_only()
        .column(Id)
        .filter(CreatedAt.lt(time))
        .filter(Status.ne("pending"))
        .order_by_asc(CreatedAt)
        .limit(TOGETHER)
        .lock_exclusive()
        .into_tuple()
        .all(&*tx)
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    let attempts = webhook_attempt::Column::DeliveryId.is_in(old.iter().copied());
    webhook_attempt::Entity::delete_many().filter(attempts).exec(&*tx).await?;
    webhook_delivery::Entity::delete_many().filter(Id.is_in(old.iter().copied())).exec(&*tx).await?;
    tx.commit().await?;
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}

async fn events(db: &Database, time: DateTime<Utc>) -> Result<u64, DbErr> {
    use event::Column::{CreatedAt, Position};
    let tx = db.begin().await?;
    let old: Vec<i64> = event::Entity::find()
        .select_only()
        .column(Position)
        .filter(CreatedAt.lt(time))
        .order_by_asc(CreatedAt)
        .limit(TOGETHER)
        .into_tuple()
        .all(&*tx)
        .await?;
    event::Entity::delete_many().filter(Position.is_in(old.iter().copied())).exec(&*tx).await?;
    tx.commit().await?;
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}

/// A body is needed for as long as there is a delivery of its event, and for as long as the feed has it. One that becomes owed in this very moment may lose
/// it; the lane then gives it up and says why.
async fn bodies(db: &Database, time: DateTime<Utc>) -> Result<u64, DbErr> {
    use webhook_body::Column::{EventId, Format};
    let tx = db.begin().await?;
    let sql = format!(
        "SELECT b.* FROM webhook_bodies b WHERE b.created_at < $1 AND NOT EXISTS \
         (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = b.event_id) AND NOT EXISTS \
         (SELECT 1 FROM events e WHERE e.id = b.event_id) ORDER BY b.created_at LIMIT {TOGETHER}"
    );
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, [time.into()]);
    let old = webhook_body::Entity::find().from_raw_sql(statement).all(&*tx).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let mut these = Condition::any();
    for body in &old {
        these = these.add(EventId.eq(body.event_id).and(Format.eq(body.format)));
    }
    webhook_body::Entity::delete_many().filter(these).exec(&*tx).await?;
    tx.commit().await?;
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}
