//! Webhook endpoints: where events are sent.

mod change;
mod checks;
mod endpoint;
mod switch;

use entities::{DeliveryStatus, WebhookEndpointId, webhook_delivery, webhook_endpoint};
use payments::{Caller, Permission};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Transaction;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::json;
use uuid::Uuid;

use self::endpoint::{Backlog, CreatedWebhook, NewWebhook, Webhook, WebhookChange};
pub(crate) use self::switch::{require_enabled, wake};
use super::{
    Tag,
    webhook_deliveries::{Sending, SendingBody},
};
use crate::{
    access::{Allowed, WebhooksManage},
    audit,
    body::{Body, NoBody, OptionalBody},
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Code, Problem, Refused},
    reach,
    response::{Created, NoContent},
    state::State,
    time::Time,
};

/// How to rotate.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Rotation {
    /// For a secret that others may know: the one before no longer signs, from now on.
    #[oai(default)]
    revoke_previous: bool,
}

impl Example for Rotation {
    fn example() -> Self {
        Self { revoke_previous: false }
    }
}

/// An endpoint's new secret.
#[derive(Clone, Debug, Object)]
pub(crate) struct RotatedSecret {
    id: Uuid,
    /// The new secret. It is shown only here, and when the same request is repeated with its `Idempotency-Key`.
    secret: Option<String>,
    /// Which secret of the endpoint it is; the first is 1.
    version: i32,
    /// Until then the secret before it signs, too; null when it does not.
    previous_secret_until: Option<Time>,
}

/// Why an endpoint is disabled.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Disabling {
    /// For whoever finds it disabled later.
    #[oai(validator(min_length = 1, max_length = 500))]
    reason: Option<String>,
}

impl Example for Disabling {
    fn example() -> Self {
        Self { reason: Some("The shop moves to another server".to_owned()) }
    }
}

/// How sentences about one begin.
const ENDPOINT: &str = "Webhook endpoint";

/// The endpoint, if it exists and its node is in the caller's reach.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    caller: &Caller,
    id: Uuid,
) -> Result<webhook_endpoint::Model, Problem> {
    reach::find::<webhook_endpoint::Entity>(db, caller, ENDPOINT, live(id)).await
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &Transaction, caller: &Caller, id: Uuid) -> Result<webhook_endpoint::Model, Problem> {
    reach::lock::<webhook_endpoint::Entity>(tx, caller, ENDPOINT, live(id)).await
}

/// The same, also when it is deleted: what was owed to it can still be looked up.
pub(crate) async fn find_even_deleted(
    db: &impl ConnectionTrait,
    caller: &Caller,
    id: Uuid,
) -> Result<webhook_endpoint::Model, Problem> {
    let named = webhook_endpoint::Column::Id.eq(WebhookEndpointId(id));
    reach::find::<webhook_endpoint::Entity>(db, caller, ENDPOINT, named).await
}

fn live(id: Uuid) -> Expr {
    webhook_endpoint::Column::Id.eq(WebhookEndpointId(id)).and(webhook_endpoint::Column::DeletedAt.is_null())
}

/// Whoever reads operators' events, or changes whether, where to and how they are sent, must be allowed to hear them.
pub(crate) fn require_operator(endpoint: &webhook_endpoint::Model, caller: &Caller) -> Result<(), Problem> {
    if endpoint.operators && !caller.can(Permission::Operations) {
        let detail = "The endpoint hears of dead letters and signers; this needs the permission operations";
        return Err(Problem::new(Code::PermissionMissing).detail(detail));
    }
    Ok(())
}

pub(crate) struct Webhooks(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/webhooks", tag = "Tag::Webhooks")]
impl Webhooks {
    /// Create a webhook endpoint
    ///
    /// From now on it gets the events that it selects; a recovery sends it earlier ones. The answer holds the secret that
    /// they are signed with. 404 when node, wallet or network do not exist, 403 when node or wallet are out of reach.
    #[oai(path = "/", method = "post", operation_id = "create_webhook")]
    async fn create(
        &self,
        caller: Allowed<WebhooksManage>,
        /// Makes a repetition safe; a repeated answer holds the secret, too.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewWebhook>,
    ) -> Result<Created<CreatedWebhook>, Refused<404, 409, 422>> {
        let state = &self.0;
        // The secret is derived, so that the kept answer need not hold it.
        let mut created = once
            .create(&caller, &body.canonical, async |tx| change::insert(state, tx, &caller, body.value).await)
            .await?;
        created.secret = Some(change::secret(state, created.id, 1));
        Ok(Created::at(format!("/api/v1/webhooks/{}", created.id), created))
    }

    /// List webhook endpoints
    ///
    /// Those of the nodes in the caller's reach, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_webhooks")]
    async fn list(
        &self,
        caller: Allowed<WebhooksManage>,
        /// Only those of this node and of the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Webhook>>, Refused<404>> {
        let endpoints = reach::rows::<webhook_endpoint::Entity>(&**self.0.db(), &caller, node_id.0).await?;
        let endpoints = endpoints
            .filter(Expr::cust("\"webhook_endpoints\".\"deleted_at\" IS NULL"))
            .order_by_desc(webhook_endpoint::Column::Id);
        Ok(Json(paging::read(self.0.db(), endpoints, page.0, per_page.0, Webhook::from).await?))
    }

    /// Get a webhook endpoint
    ///
    /// With its health and what waits for it. Its secret and the values of its headers are not shown.
    #[oai(path = "/:id", method = "get", operation_id = "get_webhook")]
    async fn get(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<Json<Webhook>, Refused<404>> {
        let endpoint = find(&**self.0.db(), &caller, id.0).await?;
        Ok(Json(with_backlog(&self.0, endpoint).await?))
    }

    /// Change a webhook endpoint
    ///
    /// What is owed already is sent as the endpoint is now: to the new address, with the new headers. 403 where it hears
    /// of dead letters or signers and the caller lacks the permission `operations`.
    #[oai(path = "/:id", method = "patch", operation_id = "update_webhook")]
    async fn update(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        body: Body<WebhookChange>,
    ) -> Result<Json<Webhook>, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let endpoint = lock(&tx, &caller, id.0).await?;
        require_operator(&endpoint, &caller)?;
        let endpoint = change::apply(&self.0, &tx, &caller, endpoint, body.value).await?;
        tx.commit().await?;
        Ok(Json(with_backlog(&self.0, endpoint).await?))
    }

    /// Delete a webhook endpoint
    ///
    /// Nothing is sent to it any more. What was sent and what was owed can still be read, delivery by delivery.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_webhook")]
    async fn delete(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404>> {
        switch::delete(&self.0, &caller, id.0).await?;
        Ok(NoContent::Done)
    }

    /// Rotate a webhook endpoint's secret
    ///
    /// For the next 24 hours each event carries two signatures, by the new secret and by the one before, so that the
    /// receiver can be changed without losing an event. 409 while an earlier rotation is still in those 24 hours, because
    /// a third secret could not sign beside them; `revoke_previous` rotates even then, and only the new secret signs.
    #[oai(path = "/:id/rotate-secret", method = "post", operation_id = "rotate_webhook_secret")]
    async fn rotate(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        /// Makes a repetition safe; a repeated answer holds the secret, too.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: OptionalBody<Rotation>,
    ) -> Result<Json<RotatedSecret>, Refused<404, 409, 422>> {
        let revoke = body.0.is_some_and(|rotation| rotation.revoke_previous);
        let state = &self.0;
        let text = json!({ "revoke_previous": revoke }).to_string();
        let mut rotated =
            once.create(&caller, &text, async |tx| change::rotate(state, tx, &caller, id.0, revoke).await).await?;
        rotated.secret = Some(change::secret(state, rotated.id, rotated.version));
        Ok(Json(rotated))
    }

    /// Enable a webhook endpoint
    ///
    /// New events are sent again. Those that were held meanwhile stay held until a recovery sends them, so that a
    /// receiver that has just come back is not flooded unasked. Enabling an enabled one changes nothing.
    #[oai(path = "/:id/enable", method = "post", operation_id = "enable_webhook")]
    async fn enable(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        _body: NoBody,
    ) -> Result<Json<Webhook>, Refused<404>> {
        let endpoint = switch::enable(&self.0, &caller, id.0).await?;
        Ok(Json(with_backlog(&self.0, endpoint).await?))
    }

    /// Disable a webhook endpoint
    ///
    /// Nothing is sent any more; what is owed and what happens from now on is held. The node's other endpoints hear of it
    /// (`endpoint.disabled`). Disabling a disabled one changes nothing.
    #[oai(path = "/:id/disable", method = "post", operation_id = "disable_webhook")]
    async fn disable(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        body: OptionalBody<Disabling>,
    ) -> Result<Json<Webhook>, Refused<404>> {
        let reason = body.0.and_then(|disabling| disabling.reason);
        let endpoint = switch::disable(&self.0, &caller, id.0, reason).await?;
        Ok(Json(with_backlog(&self.0, endpoint).await?))
    }

    /// Test a webhook endpoint
    ///
    /// Sends it, and no other, an event of the type `webhook.test`, which goes the way of all events. The answer names the
    /// delivery, where its outcome can be read. 409 when the endpoint is disabled.
    #[oai(path = "/:id/test", method = "post", operation_id = "test_webhook")]
    async fn test(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        _body: NoBody,
    ) -> Result<Sending, Refused<404, 409>> {
        let tx = self.0.db().begin().await?;
        let endpoint = lock(&tx, &caller, id.0).await?;
        require_enabled(&endpoint)?;
        let (delivery_id, event_id) = ::webhooks::send_test(&tx, &endpoint).await?;
        let data = json!({ "delivery_id": delivery_id });
        audit::record(&tx, &caller, "webhook.test", ("webhook", endpoint.id), data).await?;
        tx.commit().await?;
        wake(&self.0, endpoint.id).await;
        Ok(Sending::Accepted(Json(SendingBody { delivery_id: delivery_id.0, event_id: event_id.0 })))
    }
}

async fn with_backlog(state: &State, endpoint: webhook_endpoint::Model) -> Result<Webhook, DbErr> {
    let id = endpoint.id;
    let count = async |status: DeliveryStatus| {
        let of_status = webhook_delivery::Entity::find()
            .filter(webhook_delivery::Column::EndpointId.eq(id))
            .filter(webhook_delivery::Column::Status.eq(status));
        paging::count(&**state.db(), &of_status).await
    };
    let mut webhook = Webhook::from(endpoint);
    webhook.backlog = Some(Backlog {
        pending: count(DeliveryStatus::Pending).await?,
        held: count(DeliveryStatus::Held).await?,
        failed: count(DeliveryStatus::Failed).await?,
    });
    Ok(webhook)
}
