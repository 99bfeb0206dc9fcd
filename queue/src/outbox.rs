//! The outbox table: a row is a message that its broker has not confirmed yet.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, entity::prelude::*};
use uuid::Uuid;

use crate::message::{Message, NewMessage};

/// How long a message that was just handed to a relay, or claimed by a sweeper, is left alone by other sweepers.
pub(crate) const CLAIM: Duration = Duration::from_secs(5);

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) queue: String,
    pub(crate) kind: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) payload: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) headers: String,
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) attempts: i32,
    pub(crate) created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

pub(crate) struct Inserted {
    pub(crate) message: Message,
    pub(crate) due_now: bool,
}

/// Inserts all rows with one statement. A message due now is given to this process's relay after the commit, so its
/// row becomes due for sweepers only after [`CLAIM`].
pub(crate) async fn insert<C: ConnectionTrait>(
    connection: &C,
    messages: Vec<NewMessage>,
) -> Result<Vec<Inserted>, DbErr> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let now = Utc::now();
    let mut rows = Vec::with_capacity(messages.len());
    let mut inserted = Vec::with_capacity(messages.len());
    for new in messages {
        let due_now = new.due_at.is_none_or(|at| at <= now);
        let message = Message {
            id: Uuid::now_v7(),
            queue: new.queue.to_owned(),
            kind: new.kind.to_owned(),
            payload: new.payload.to_string(),
            headers: new.headers,
            attempts: 0,
        };
        rows.push(ActiveModel {
            id: Set(message.id),
            queue: Set(message.queue.clone()),
            kind: Set(message.kind.clone()),
            payload: Set(message.payload.clone()),
            headers: Set(serde_json::to_string(&message.headers).unwrap_or_default()),
            due_at: Set(if due_now { now + CLAIM } else { new.due_at.unwrap_or(now) }),
            attempts: Set(0),
            created_at: Set(now),
        });
        inserted.push(Inserted { message, due_now });
    }
    Entity::insert_many(rows).exec_without_returning(connection).await?;
    Ok(inserted)
}
