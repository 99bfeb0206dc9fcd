//! What became of events on their way to webhook endpoints.

mod list;

use entities::{
    DeliveryStatus, Unscoped as _, WebhookDeliveryId, webhook_attempt, webhook_body, webhook_delivery, webhook_endpoint,
};
use payments::Caller;
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Any,
};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Tag, webhooks};
use crate::{
    access::{Allowed, WebhooksManage},
    audit,
    body::NoBody,
    paging::PerPage,
    problem::{Problem, Refused},
    query_text::QueryText,
    reach,
    state::State,
    time::Time,
};

/// Attempts that are shown with a delivery, the newest.
const ATTEMPTS_SHOWN: u64 = 100;

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "DeliveryStatus", rename_all = "snake_case", remote = "DeliveryStatus")]
pub(crate) enum Status {
    /// It is tried at its time.
    Pending,
    /// It was answered with a status of 200 to 299.
    Delivered,
    /// It was given up after all attempts.
    Failed,
    /// The endpoint is disabled.
    Held,
}

/// An event that is owed to an endpoint.
#[derive(Clone, Debug, Object)]
pub(crate) struct Delivery {
    id: Uuid,
    webhook_id: Uuid,
    /// What the endpoint gets as `webhook-id`, the same with each attempt.
    event_id: Uuid,
    event_type: String,
    payment_id: Option<Uuid>,
    /// The event's number among those of its payment.
    sequence: Option<i32>,
    /// When it happened.
    occurred_at: Time,
    status: Status,
    /// Attempts in all.
    attempts: i32,
    /// When it is tried next, at the earliest; null unless it is pending.
    next_attempt_at: Option<Time>,
    /// When it last was delivered.
    delivered_at: Option<Time>,
    /// HTTP status of the last answer; null when there was none.
    last_status: Option<i32>,
    /// Why the last attempt failed.
    last_error: Option<String>,
    created_at: Time,
}

impl From<webhook_delivery::Model> for Delivery {
    fn from(row: webhook_delivery::Model) -> Self {
        Self {
            id: row.id.0,
            webhook_id: row.endpoint_id.0,
            event_id: row.event_id.0,
            event_type: row.event_type,
            payment_id: row.payment_id.map(|id| id.0),
            sequence: row.sequence,
            occurred_at: row.occurred_at.into(),
            status: row.status.into(),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.map(Time),
            delivered_at: row.delivered_at.map(Time),
            last_status: row.last_status,
            last_error: row.last_error,
            created_at: row.created_at.into(),
        }
    }
}

/// A try to deliver.
#[derive(Clone, Debug, Object)]
pub(crate) struct Attempt {
    /// From 1.
    number: i32,
    started_at: Time,
    /// Until the answer was read or given up, milliseconds.
    duration_ms: i32,
    /// The address that was dialled, with its port.
    address: Option<String>,
    /// HTTP status of the answer; null when there was none.
    status: Option<i32>,
    /// The first bytes of the answer's body, as text.
    response: Option<String>,
    /// A short word, such as `timeout` or `refused_address`; null for answers.
    error_code: Option<String>,
    /// The same for people.
    error_message: Option<String>,
}

impl From<webhook_attempt::Model> for Attempt {
    fn from(row: webhook_attempt::Model) -> Self {
        Self {
            number: row.number,
            started_at: row.started_at.into(),
            duration_ms: row.duration_ms,
            address: row.address,
            status: row.status,
            response: row.response,
            error_code: row.error_code,
            error_message: row.error_message,
        }
    }
}

/// A delivery with all that is known of it.
#[derive(Clone, Debug, Object)]
pub(crate) struct DeliveryDetails {
    delivery: Delivery,
    /// How often it is still tried before it is given up; null unless it is pending.
    attempts_left: Option<i32>,
    /// The newest first, 100 at most.
    attempts: Vec<Attempt>,
    /// The body that is sent; null when it is no longer kept.
    event: Option<Any<Value>>,
}

/// Something is to be sent.
#[derive(ApiResponse)]
pub(crate) enum Sending {
    /// It is due, and will be sent.
    #[oai(status = 202)]
    Accepted(Json<SendingBody>),
}

/// Names what is to be sent.
#[derive(Clone, Debug, Object)]
pub(crate) struct SendingBody {
    /// Where its outcome can be read.
    pub(crate) delivery_id: Uuid,
    /// What the endpoint gets as `webhook-id`.
    pub(crate) event_id: Uuid,
}

/// A page of deliveries.
#[derive(Object)]
pub(crate) struct DeliveryPage {
    /// Newest first.
    items: Vec<Delivery>,
    /// Continues after this page; null on the last.
    next_cursor: Option<String>,
}

/// The delivery, if the caller reaches the node of its endpoint and may hear what that hears; those of deleted endpoints
/// can still be read.
async fn find(
    db: &impl ConnectionTrait,
    caller: &Caller,
    id: Uuid,
) -> Result<(webhook_delivery::Model, webhook_endpoint::Model), Problem> {
    const DELIVERY: &str = "Webhook delivery";
    let named = webhook_delivery::Column::Id.eq(WebhookDeliveryId(id));
    let delivery = reach::find::<webhook_delivery::Entity>(db, caller, DELIVERY, named).await?;
    let endpoint = webhook_endpoint::Entity::find_unscoped(delivery.endpoint_id).one(db).await?;
    let endpoint = endpoint.ok_or_else(|| Problem::not_found(DELIVERY))?;
    webhooks::require_operator(&endpoint, caller)?;
    Ok((delivery, endpoint))
}

pub(crate) struct WebhookDeliveries(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Webhooks")]
impl WebhookDeliveries {
    /// List an endpoint's deliveries
    ///
    /// Newest first. They are kept for 90 days unless the installation says otherwise, those that are pending for longer.
    #[oai(path = "/webhooks/:id/deliveries", method = "get", operation_id = "list_webhook_deliveries")]
    #[expect(clippy::too_many_arguments, reason = "each filter is a parameter")]
    async fn list(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint; it may be deleted.
        id: Path<Uuid>,
        /// Only those in this status.
        status: Query<Option<Status>>,
        /// Only those of events of this type.
        event_type: Query<Option<QueryText>>,
        /// Only those of events of this payment.
        payment_id: Query<Option<Uuid>>,
        /// Only those that came about at or after this time.
        since: Query<Option<Time>>,
        /// Only those that came about before this time.
        until: Query<Option<Time>>,
        /// Continues after the page that gave it.
        cursor: Query<Option<QueryText>>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<DeliveryPage>, Refused<404>> {
        let filter = list::Filter {
            status: status.0,
            event_type: event_type.0,
            payment_id: payment_id.0,
            since: since.0,
            until: until.0,
            cursor: cursor.0,
        };
        Ok(Json(list::read(self.0.db(), &caller, id.0, filter, per_page.0).await?))
    }

    /// Get a delivery
    ///
    /// With its attempts, what each was answered, when it is tried next and how often still.
    #[oai(path = "/webhook-deliveries/:id", method = "get", operation_id = "get_webhook_delivery")]
    async fn get(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The delivery.
        id: Path<Uuid>,
    ) -> Result<Json<DeliveryDetails>, Refused<404>> {
        let db = self.0.db();
        let (delivery, _) = find(&**db, &caller, id.0).await?;
        let attempts = webhook_attempt::Entity::find()
            .filter(webhook_attempt::Column::DeliveryId.eq(delivery.id))
            .order_by_desc(webhook_attempt::Column::Number)
            .limit(ATTEMPTS_SHOWN)
            .all(&**db)
            .await?;
        let body = webhook_body::Entity::find_unscoped((delivery.event_id, delivery.format)).one(&**db).await?;
        let pending = delivery.status == DeliveryStatus::Pending;
        // One attempt more than pauses is made.
        let all = i32::try_from(self.0.webhooks().schedule_s.len()).unwrap_or(i32::MAX).saturating_add(1);
        let left = pending.then(|| all.saturating_sub(delivery.round_attempts).max(0));
        Ok(Json(DeliveryDetails {
            attempts_left: left,
            attempts: attempts.into_iter().map(Attempt::from).collect(),
            event: body.and_then(|row| serde_json::from_str(&row.body).ok()).map(Any),
            delivery: delivery.into(),
        }))
    }

    /// Send an event again
    ///
    /// At once and with all its attempts ahead, whatever became of it: the same bytes with the same `webhook-id`, so that
    /// a receiver that has had it can tell. 409 when the endpoint is disabled or deleted, or the event is no longer kept.
    #[oai(path = "/webhook-deliveries/:id/redeliver", method = "post", operation_id = "redeliver_webhook_delivery")]
    async fn redeliver(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The delivery.
        id: Path<Uuid>,
        _body: NoBody,
    ) -> Result<Sending, Refused<404, 409>> {
        let tx = self.0.db().begin().await?;
        let (delivery, endpoint) = find(&*tx, &caller, id.0).await?;
        if endpoint.deleted_at.is_some() {
            return Err(Problem::conflict("The endpoint is deleted").into());
        }
        webhooks::require_enabled(&webhooks::lock(&tx, &caller, endpoint.id.0).await?)?;
        let body = webhook_body::Entity::find_unscoped((delivery.event_id, delivery.format)).one(&*tx).await?;
        if body.is_none() {
            return Err(Problem::conflict("The event is no longer kept").into());
        }
        ::webhooks::send_again(&tx, &[delivery.id], ::webhooks::Urgency::Now).await?;
        let data = json!({ "webhook_id": endpoint.id, "event_id": delivery.event_id });
        audit::record(&tx, &caller, "webhook.redeliver", ("webhook_delivery", delivery.id), data).await?;
        tx.commit().await?;
        webhooks::wake(&self.0, endpoint.id).await;
        Ok(Sending::Accepted(Json(SendingBody { delivery_id: delivery.id.0, event_id: delivery.event_id.0 })))
    }
}
