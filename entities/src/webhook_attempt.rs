//! A try to deliver an event.

use sea_orm::entity::prelude::*;

use crate::id::{WebhookAttemptId, WebhookDeliveryId};

/// A try to deliver an event, with the answer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookAttemptId,
    pub delivery_id: WebhookDeliveryId,
    /// The number of the attempt, from 1, over all rounds.
    pub number: i32,
    pub started_at: DateTimeUtc,
    /// Until the answer was read or given up, milliseconds.
    pub duration_ms: i32,
    /// The address that was dialled, with its port.
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    pub status: Option<i32>,
    /// The first bytes of the answer's body, as text.
    #[sea_orm(column_type = "Text", nullable)]
    pub response: Option<String>,
    /// A short word, such as `timeout` or `refused_address`; none for answers.
    #[sea_orm(column_type = "Text", nullable)]
    pub error_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
