//! Sending again what an endpoint has missed.

use sea_orm::entity::prelude::*;

use crate::{
    id::{WebhookEndpointId, WebhookRecoveryId},
    status::{ActorType, RecoveryStatus},
};

/// Sending again what an endpoint has missed since a time: a run that goes on where it was, whichever process dies.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_recoveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookRecoveryId,
    pub endpoint_id: WebhookEndpointId,
    pub since: DateTimeUtc,
    pub until: DateTimeUtc,
    /// Only deliveries that were held or given up; else all events, also those that were delivered or never owed.
    pub only_failed: bool,
    pub status: RecoveryStatus,
    /// The last row that was read.
    pub cursor: Option<Uuid>,
    pub examined: i32,
    pub recovered: i32,
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    pub actor_type: ActorType,
    #[sea_orm(column_type = "Text", nullable)]
    pub actor_id: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub finished_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
