//! Enabling and disabling, and telling the lanes that there is something to send.

use std::collections::BTreeSet;

use ::webhooks::Waiting;
use entities::{WebhookEndpointId, WebhookStatus, webhook_endpoint};
use payments::Caller;
use serde_json::json;
use uuid::Uuid;

use super::{lock, require_operator};
use crate::{audit, problem::Problem, state::State};

/// Refuses to send to an endpoint that is disabled.
pub(crate) fn require_enabled(endpoint: &webhook_endpoint::Model) -> Result<(), Problem> {
    match endpoint.status {
        WebhookStatus::Enabled => Ok(()),
        WebhookStatus::Disabled => Err(Problem::conflict("The endpoint is disabled; enable it first")),
    }
}

/// Tells the lanes of an endpoint that there is something to send. What was committed is sent anyway: their own sweep
/// finds it.
pub(crate) async fn wake(state: &State, id: WebhookEndpointId) {
    if let Err(error) = ::webhooks::wake(state.db(), &Waiting(BTreeSet::from([id]))).await {
        tracing::warn!(%error, endpoint_id = %id, "an endpoint's lane could not be woken");
    }
}

pub(super) async fn enable(state: &State, caller: &Caller, id: Uuid) -> Result<webhook_endpoint::Model, Problem> {
    let tx = state.db().begin().await?;
    let endpoint = lock(&tx, caller, id).await?;
    require_operator(&endpoint, caller)?;
    if ::webhooks::enable(&tx, endpoint.id).await? {
        audit::record(&tx, caller, "webhook.enable", ("webhook", endpoint.id), json!({})).await?;
    }
    let endpoint = lock(&tx, caller, id).await?;
    tx.commit().await?;
    wake(state, endpoint.id).await;
    Ok(endpoint)
}

pub(super) async fn disable(
    state: &State,
    caller: &Caller,
    id: Uuid,
    reason: Option<String>,
) -> Result<webhook_endpoint::Model, Problem> {
    let mut tx = state.db().begin().await?;
    let endpoint = lock(&tx, caller, id).await?;
    require_operator(&endpoint, caller)?;
    let reason = reason.unwrap_or_else(|| "Somebody disabled it".to_owned());
    let disabled = ::webhooks::disable(&mut tx, endpoint.id, &reason).await?;
    if disabled.is_some() {
        let data = json!({ "reason": reason });
        audit::record(&tx, caller, "webhook.disable", ("webhook", endpoint.id), data).await?;
    }
    let endpoint = lock(&tx, caller, id).await?;
    tx.commit().await?;
    // What happened is durable; the lanes' own sweep finds what is not woken here.
    if let Some(waiting) = disabled
        && let Err(error) = ::webhooks::wake(state.db(), &waiting).await
    {
        tracing::warn!(%error, endpoint_id = %endpoint.id, "lanes could not be woken");
    }
    Ok(endpoint)
}

pub(super) async fn delete(state: &State, caller: &Caller, id: Uuid) -> Result<(), Problem> {
    let tx = state.db().begin().await?;
    let endpoint = lock(&tx, caller, id).await?;
    require_operator(&endpoint, caller)?;
    ::webhooks::delete(&tx, endpoint.id).await?;
    audit::record(&tx, caller, "webhook.delete", ("webhook", endpoint.id), json!({})).await?;
    tx.commit().await?;
    Ok(())
}
