//! Where events are sent.

use sea_orm::entity::prelude::*;

use crate::{
    id::{NetworkId, NodeId, WalletId, WebhookEndpointId},
    status::{WebhookFormat, WebhookStatus},
};

/// Where events are sent, and the state of its lane. One process at a time sends to an endpoint: the one that has the
/// lane.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookEndpointId,
    /// The endpoint gets the events of this node and of all below.
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text")]
    pub url: String,
    /// Event types, `payment.*` or `*`: a JSON array of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub events: Json,
    /// Only events of payments of this wallet are sent.
    pub wallet_id: Option<WalletId>,
    /// Only events of payments on this network are sent.
    pub network_id: Option<NetworkId>,
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// Headers of every request: a JSON object of strings. Values may be credentials.
    #[sea_orm(column_type = "JsonBinary")]
    pub headers: Json,
    /// Requests a second at most; none: as fast as it takes them.
    pub rate_per_second: Option<i32>,
    pub format: WebhookFormat,
    /// Whether the endpoint gets events that only operators may know.
    pub operators: bool,
    /// Raised by each rotation; the secret follows from it, see the crate `webhooks`.
    pub secret_version: i32,
    /// A few digits of the secret's hash.
    #[sea_orm(column_type = "Text")]
    pub secret_check: String,
    /// The time until which the secret before it signs, too.
    pub previous_secret_until: Option<DateTimeUtc>,
    pub status: WebhookStatus,
    pub disabled_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text", nullable)]
    pub disabled_reason: Option<String>,
    /// When there is something to send; none when nothing waits.
    pub due_at: Option<DateTimeUtc>,
    /// The process that has the lane.
    pub lane_owner: Option<Uuid>,
    /// The time until which the process has the lane, unless it renews.
    pub lane_until: Option<DateTimeUtc>,
    /// The breaker is open until then: the next attempt after it finds out whether the endpoint answers again.
    pub breaker_until: Option<DateTimeUtc>,
    /// How often in a row it stayed open.
    pub breaker_step: i32,
    /// The first failure after the last success.
    pub failing_since: Option<DateTimeUtc>,
    /// Failures since the last success.
    pub failures: i32,
    pub last_success_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    /// When the row last changed by somebody's request.
    pub updated_at: DateTimeUtc,
    pub deleted_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
