//! An event that is owed to an endpoint.

use sea_orm::entity::prelude::*;

use crate::{
    id::{EventId, PaymentId, WebhookDeliveryId, WebhookEndpointId},
    status::{DeliveryStatus, WebhookFormat},
};

/// An event that is owed to an endpoint; there is one for each pair.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub event_id: EventId,
    /// The format that the endpoint had when the event happened.
    pub format: WebhookFormat,
    #[sea_orm(column_type = "Text")]
    pub event_type: String,
    pub payment_id: Option<PaymentId>,
    /// The event's number among those of its payment.
    pub sequence: Option<i32>,
    pub occurred_at: DateTimeUtc,
    pub status: DeliveryStatus,
    /// Attempts in all.
    pub attempts: i32,
    /// Attempts since it was last asked for: its place in the schedule.
    pub round_attempts: i32,
    /// A recovery has released it: it is sent when nothing else is due to the endpoint.
    pub recovered: bool,
    /// When the delivery is tried next; none unless it is pending.
    pub next_attempt_at: Option<DateTimeUtc>,
    pub delivered_at: Option<DateTimeUtc>,
    /// HTTP status of the last answer.
    pub last_status: Option<i32>,
    /// Why the last attempt failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
