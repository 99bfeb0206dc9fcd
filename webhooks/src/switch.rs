//! Switching endpoints off and on.
//!
//! What is owed to a disabled endpoint is held, not dropped. There may be millions of such rows, more than one
//! transaction should touch: `disable` holds the first, and the endpoint's own lane goes on with the rest, a part at a
//! time, whichever process dies in between.

use entities::{DeliveryStatus, EventId, WebhookEndpointId, WebhookStatus, now, webhook_endpoint};
use payments::event::Event;
use queue::Transaction;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Statement, Value,
    prelude::*,
};

use crate::{
    event_data::EndpointDisabled,
    fan_out::{Outgoing, Waiting, fan_out_except},
    guard::without_query,
};

/// Deliveries that are held in one transaction.
const HELD_TOGETHER: u64 = 1_000;

/// Longest reason that is kept, characters.
const REASON_MAX: usize = 500;

/// Disables the endpoint: what is owed to it is held from now on, and the other endpoints of its node and of those
/// above are notified. `None`: it was disabled already, or is not there; then nothing is changed. After the commit the
/// result goes to [`crate::wake`].
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn disable(tx: &mut Transaction, id: WebhookEndpointId, reason: &str) -> Result<Option<Waiting>, DbErr> {
    let Some(endpoint) = locked(tx, id).await? else { return Ok(None) };
    if endpoint.status == WebhookStatus::Disabled || endpoint.deleted_at.is_some() {
        return Ok(None);
    }
    let now = now();
    let reason: String = reason.chars().take(REASON_MAX).collect();
    let event = disabled_event(&endpoint, &reason)?;
    let mut row = endpoint.into_active_model();
    row.status = Set(WebhookStatus::Disabled);
    row.disabled_at = Set(Some(now));
    row.disabled_reason = Set(Some(reason));
    // Its lane holds what this transaction does not.
    row.due_at = Set(Some(now));
    row.updated_at = Set(now);
    webhook_endpoint::Entity::update(row).exec_without_returning(&**tx).await?;
    hold_some(tx, id).await?;
    metrics::counter!("quittance_webhook_endpoints_disabled_total").increment(1);
    fan_out_except(tx, &[event], Some(id)).await.map(Some)
}

/// Enables the endpoint: it is sent what happens from now on. What was held stays so until it is recovered. `false`: it
/// was enabled already, or is not there; then nothing is changed.
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn enable(tx: &Transaction, id: WebhookEndpointId) -> Result<bool, DbErr> {
    let Some(endpoint) = locked(tx, id).await? else { return Ok(false) };
    if endpoint.status == WebhookStatus::Enabled || endpoint.deleted_at.is_some() {
        return Ok(false);
    }
    let now = now();
    let mut row = endpoint.into_active_model();
    row.status = Set(WebhookStatus::Enabled);
    row.disabled_at = Set(None);
    row.disabled_reason = Set(None);
    row.due_at = Set(Some(now));
    row.breaker_until = Set(None);
    row.breaker_step = Set(0);
    row.failing_since = Set(None);
    row.failures = Set(0);
    row.updated_at = Set(now);
    webhook_endpoint::Entity::update(row).exec_without_returning(&**tx).await?;
    Ok(true)
}

/// Deletes the endpoint, whose row stays for what is owed to it: that is held, and nothing is sent any more. Unlike a
/// disabled one nobody is notified: the caller that deletes it knows. `false`: it was deleted already, or is not there.
/// After the commit, [`crate::wake`] it.
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn delete(tx: &Transaction, id: WebhookEndpointId) -> Result<bool, DbErr> {
    let Some(endpoint) = locked(tx, id).await?.filter(|endpoint| endpoint.deleted_at.is_none()) else {
        return Ok(false);
    };
    let now = now();
    let mut row = endpoint.into_active_model();
    row.status = Set(WebhookStatus::Disabled);
    row.deleted_at = Set(Some(now));
    // Its lane holds what this transaction does not.
    row.due_at = Set(Some(now));
    row.updated_at = Set(now);
    webhook_endpoint::Entity::update(row).exec_without_returning(&**tx).await?;
    hold_some(tx, id).await?;
    Ok(true)
}

/// The endpoint's row, locked until the end of the transaction. A caller that changes many deliveries of an endpoint
/// locks it first, so that two of them never wait for each other in a circle.
pub(crate) async fn locked(tx: &Transaction, id: WebhookEndpointId) -> Result<Option<webhook_endpoint::Model>, DbErr> {
    webhook_endpoint::Entity::find().filter(webhook_endpoint::Column::Id.eq(id)).lock_exclusive().one(&**tx).await
}

/// Holds some of what is pending for the endpoint, whose row is locked. Returns whether there may be more.
pub(crate) async fn hold_some(tx: &Transaction, id: WebhookEndpointId) -> Result<bool, DbErr> {
    let sql = format!(
        "UPDATE webhook_deliveries SET status = $1, next_attempt_at = NULL, updated_at = $2 WHERE status = 'pending' \
         AND id IN (SELECT id FROM webhook_deliveries WHERE endpoint_id = $3 AND status = 'pending' \
         LIMIT {HELD_TOGETHER})"
    );
    let values: [Value; 3] = [DeliveryStatus::Held.word().into(), now().into(), id.0.into()];
    let held = tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    Ok(held.rows_affected() >= HELD_TOGETHER)
}

fn disabled_event(endpoint: &webhook_endpoint::Model, reason: &str) -> Result<Outgoing, DbErr> {
    let told = EndpointDisabled {
        endpoint_id: endpoint.id,
        node_id: endpoint.node_id,
        url: without_query(&endpoint.url).to_owned(),
        reason: reason.to_owned(),
    };
    let event = Event {
        id: EventId::new(),
        name: "endpoint.disabled".to_owned(),
        occurred_at: now(),
        sequence: None,
        data: told,
    };
    Ok(Outgoing {
        others: Vec::new(),
        body: serde_json::to_string(&event).map_err(|error| DbErr::Json(error.to_string()))?,
        id: event.id,
        name: event.name,
        operators: false,
        node_id: endpoint.node_id,
        payment_id: None,
        wallet_id: endpoint.wallet_id,
        network_id: endpoint.network_id,
        sequence: None,
        occurred_at: event.occurred_at,
    })
}
