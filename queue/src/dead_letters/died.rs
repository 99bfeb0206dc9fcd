//! Letters as they come, for the notices about each.

use sea_orm::{DbErr, FromQueryResult, QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Entity};
use crate::database::Database;

/// A letter without its body.
#[derive(Clone, Debug, FromQueryResult)]
#[non_exhaustive]
pub struct Died {
    pub id: Uuid,
    pub queue: String,
    pub kind: String,
    /// Short and stable, for example `retries_exhausted`.
    pub error_code: String,
    pub attempts: i32,
    pub payment_id: Option<Uuid>,
    pub node_id: Option<Uuid>,
}

/// The next letters after an id, in whatever state, oldest first. Ids rise with the time, but a letter may become
/// visible after one with a higher id.
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
