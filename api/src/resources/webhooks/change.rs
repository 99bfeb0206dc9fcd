//! Writing endpoints: each with its audit row, in the caller's transaction.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entities::{NetworkId, WalletId, WebhookEndpointId, WebhookFormat, WebhookStatus, now, webhook_endpoint};
use payments::{Caller, Permission};
use poem_openapi::types::MaybeUndefined;
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::{
    RotatedSecret, checks,
    endpoint::{CreatedWebhook, NewWebhook, WebhookChange},
    lock, require_operator,
};
use crate::{audit, problem::Problem, reach, state::State, time::Time};

/// How long the secret before the newest signs, too.
const BOTH_SIGN: TimeDelta = TimeDelta::hours(24);

/// The secret of an endpoint as its owner is shown it.
pub(super) fn secret(state: &State, id: Uuid, version: i32) -> String {
    state.webhook_secrets().shown(WebhookEndpointId(id), version).expose_secret().to_owned()
}

pub(super) async fn insert(
    state: &State,
    tx: &Transaction,
    caller: &Caller,
    new: NewWebhook,
) -> Result<CreatedWebhook, Problem> {
    let events = checks::events(new.events, caller)?;
    checks::url(state, &new.url.0)?;
    let headers = checks::headers(new.headers.unwrap_or_default(), Some(&json!({})))?;
    let node = reach::node(&**tx, caller, new.node_id).await?;
    checks::filters(tx, caller, new.wallet_id, new.network_id).await?;
    let id = WebhookEndpointId::new();
    let endpoint = webhook_endpoint::ActiveModel {
        id: Set(id),
        node_id: Set(node.id),
        url: Set(new.url.0),
        events: Set(json!(events)),
        wallet_id: Set(new.wallet_id.map(WalletId)),
        network_id: Set(new.network_id.map(NetworkId)),
        description: Set(new.description),
        headers: Set(checks::sealed(state, id, headers)?),
        rate_per_second: Set(new.rate_per_second),
        format: Set(new.format.map_or(WebhookFormat::Standard, Into::into)),
        operators: Set(caller.can(Permission::Operations)),
        secret_version: Set(1),
        secret_check: Set(state.webhook_secrets().check(id, 1)),
        previous_secret_until: Set(None),
        status: Set(WebhookStatus::Enabled),
        disabled_at: Set(None),
        disabled_reason: Set(None),
        due_at: Set(None),
        lane_owner: Set(None),
        lane_until: Set(None),
        breaker_until: Set(None),
        breaker_step: Set(0),
        failing_since: Set(None),
        failures: Set(0),
        last_success_at: Set(None),
        created_at: Set(now()),
        updated_at: Set(now()),
        deleted_at: Set(None),
    };
    let endpoint = endpoint.insert(&**tx).await?;
    record(tx, caller, "webhook.create", &endpoint).await?;
    Ok(CreatedWebhook {
        id: endpoint.id.0,
        node_id: endpoint.node_id.0,
        url: endpoint.url,
        events,
        status: endpoint.status.into(),
        secret: None,
        created_at: endpoint.created_at.into(),
    })
}

pub(super) async fn apply(
    state: &State,
    tx: &Transaction,
    caller: &Caller,
    stored: webhook_endpoint::Model,
    change: WebhookChange,
) -> Result<webhook_endpoint::Model, Problem> {
    let value = |id: &MaybeUndefined<Uuid>| id.value().copied();
    checks::filters(tx, caller, value(&change.wallet_id), value(&change.network_id)).await?;
    // What was entrusted to one place is not sent to another, by whoever may change the address but may not see the values.
    let moved = change.url.as_ref().is_some_and(|url| !::webhooks::same_origin(&stored.url, &url.0));
    let headers = match change.headers {
        Some(headers) => Some(checks::headers(headers, (!moved).then_some(&stored.headers))?),
        None => moved.then(BTreeMap::new),
    };
    let headers = headers.map(|headers| checks::sealed(state, stored.id, headers)).transpose()?;
    let mut endpoint = stored.into_active_model();
    if let Some(url) = change.url {
        checks::url(state, &url.0)?;
        endpoint.url = Set(url.0);
    }
    if let Some(events) = change.events {
        let events = checks::events(events, caller)?;
        if checks::names_operators(&events) {
            endpoint.operators = Set(true);
        }
        endpoint.events = Set(json!(events));
    }
    if let Some(headers) = headers {
        endpoint.headers = Set(headers);
    }
    if !change.wallet_id.is_undefined() {
        endpoint.wallet_id = Set(change.wallet_id.take().map(WalletId));
    }
    if !change.network_id.is_undefined() {
        endpoint.network_id = Set(change.network_id.take().map(NetworkId));
    }
    if !change.description.is_undefined() {
        endpoint.description = Set(change.description.take());
    }
    if !change.rate_per_second.is_undefined() {
        endpoint.rate_per_second = Set(change.rate_per_second.take());
    }
    endpoint.updated_at = Set(now());
    let endpoint = endpoint.update(&**tx).await?;
    record(tx, caller, "webhook.update", &endpoint).await?;
    Ok(endpoint)
}

/// What was set, without the values of headers and without what a URL may hold of credentials.
async fn record(
    tx: &Transaction,
    caller: &Caller,
    action: &str,
    endpoint: &webhook_endpoint::Model,
) -> Result<(), DbErr> {
    let headers: Vec<&String> = endpoint.headers.as_object().into_iter().flat_map(|headers| headers.keys()).collect();
    let data = json!({
        "node_id": endpoint.node_id,
        "url": ::webhooks::without_query(&endpoint.url),
        "events": endpoint.events,
        "wallet_id": endpoint.wallet_id,
        "network_id": endpoint.network_id,
        "headers": headers,
        "rate_per_second": endpoint.rate_per_second,
        "operators": endpoint.operators,
    });
    audit::record(tx, caller, action, ("webhook", endpoint.id), data).await
}

/// A new version of the secret. One more could not sign beside two others, so that they never overlap.
pub(super) async fn rotate(
    state: &State,
    tx: &Transaction,
    caller: &Caller,
    id: Uuid,
    revoke: bool,
) -> Result<RotatedSecret, Problem> {
    let stored = lock(tx, caller, id).await?;
    require_operator(&stored, caller)?;
    if let Some(until) = stored.previous_secret_until.filter(|until| *until > now() && !revoke) {
        let detail = format!(
            "Two secrets sign until {}; wait until then, or revoke the one before with revoke_previous",
            until.format("%FT%TZ")
        );
        return Err(Problem::conflict(detail));
    }
    let (id, secrets, version) = (stored.id, state.webhook_secrets(), stored.secret_version.saturating_add(1));
    // After a change of the installation's secret nobody can sign with the one before.
    let known = secrets.check(id, stored.secret_version) == stored.secret_check;
    let until = (known && !revoke).then(|| now() + BOTH_SIGN);
    let mut endpoint = stored.into_active_model();
    endpoint.secret_version = Set(version);
    endpoint.secret_check = Set(secrets.check(id, version));
    endpoint.previous_secret_until = Set(until);
    endpoint.updated_at = Set(now());
    endpoint.update(&**tx).await?;
    let data = json!({ "version": version, "revoke_previous": revoke });
    audit::record(tx, caller, "webhook.rotate_secret", ("webhook", id), data).await?;
    Ok(RotatedSecret { id: id.0, secret: None, version, previous_secret_until: until.map(Time) })
}
