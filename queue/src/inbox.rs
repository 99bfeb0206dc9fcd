//! For jobs without a guard of their own: remembers, in the transaction of the effect, that a message was dealt with.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, DbErr, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use crate::database::{Database, Transaction, insert_unless_there};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbox")]
struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    consumer: String,
    #[sea_orm(primary_key, auto_increment = false)]
    message_id: Uuid,
    seen_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Whether this consumer sees the message for the first time. The answer holds if, and only if, `tx` commits; a second
/// transaction that asks at the same time waits for the first to end.
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn first_time(tx: &Transaction, consumer: &str, message_id: Uuid) -> Result<bool, DbErr> {
    let row = ActiveModel { consumer: Set(consumer.to_owned()), message_id: Set(message_id), seen_at: Set(Utc::now()) };
    insert_unless_there(&**tx, row, [Column::Consumer, Column::MessageId]).await
}

/// Those of the messages that this consumer has dealt with.
pub async fn processed(db: &Database, consumer: &str, message_ids: &[Uuid]) -> Result<HashSet<Uuid>, DbErr> {
    let seen: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::MessageId)
        .filter(Column::Consumer.eq(consumer))
        .filter(Column::MessageId.is_in(message_ids.iter().copied()))
        .into_tuple()
        .all(&**db)
        .await?;
    Ok(seen.into_iter().collect())
}

/// Forgets what was seen before this time, which must lie before anything that may still be redelivered or replayed.
/// Returns how many rows went.
pub async fn forget_before(db: &Database, time: DateTime<Utc>) -> Result<u64, DbErr> {
    let tx = db.begin().await?;
    let forgotten = Entity::delete_many().filter(Column::SeenAt.lt(time)).exec(&*tx).await?;
    tx.commit().await?;
    Ok(forgotten.rows_affected)
}
