//! Letters as they come, for those who are to be told of each.

use sea_orm::{DbErr, FromQueryResult, QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Entity};
use crate::database::Database;

/// What is told of a letter: all but its body.
#[derive(Clone, Debug, FromQueryResult)]
#[non_exhaustive]
pub struct Died {
    /// The letter.
    pub id: Uuid,
    /// The queue its message was for.
    pub queue: String,
    /// What kind of message.
    pub kind: String,
    /// Why it was given up, a word.
    pub error_code: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The payment concerned.
    pub payment_id: Option<Uuid>,
    /// The node concerned.
    pub node_id: Option<Uuid>,
}

/// The next letters after an id, in whatever state, oldest first. Ids rise with the time, but a letter may become visible
/// after one with a higher id.
///
/// # Errors
/// When the database cannot be asked.
pub async fn died_after(db: &Database, after: Uuid, most: u64) -> Result<Vec<Died>, DbErr> {
    use Column::{Attempts, ErrorCode, Id, Kind, NodeId, PaymentId, Queue};

    Entity::find()
        .select_only()
        .columns([Id, Queue, Kind, ErrorCode, Attempts, PaymentId, NodeId])
        .filter(Id.gt(after))
        .order_by_asc(Id)
        .limit(most)
        .into_model()
        .all(&**db)
        .await
}
