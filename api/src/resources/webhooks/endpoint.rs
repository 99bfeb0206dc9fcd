//! A webhook endpoint, as its owner writes and sees it.

use std::collections::BTreeMap;

use entities::{WebhookFormat, WebhookStatus, webhook_endpoint};
use poem_openapi::{
    Enum, Object,
    types::{Example, MaybeUndefined},
};
use serde_json::Value;
use uuid::Uuid;

use crate::time::Time;
use crate::web_url::WebUrl;

/// What stands for a header's value that is not shown; when it is sent back, the value stays as it is.
pub(super) const MASK: &str = "***";

/// What an endpoint's bodies and headers look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "WebhookFormat", rename_all = "snake_case", remote = "WebhookFormat")]
pub(crate) enum Format {
    /// `{id, type, occurred_at, sequence, data}`, signed as Standard Webhooks say.
    Standard,
    /// `{topic, data}` of payments that a checkout has taken, when they are completed, canceled or failed; also signed in
    /// the header `KartaPay-Signature`.
    #[oai(rename = "checkout.v1")]
    CheckoutV1,
}

/// Whether events are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "WebhookStatus", rename_all = "snake_case", remote = "WebhookStatus")]
pub(crate) enum Status {
    /// They are.
    Enabled,
    /// They are held until it is enabled and recovered.
    Disabled,
}

/// A webhook endpoint to be created.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct NewWebhook {
    /// Its node: it hears of what happens there and at all nodes below.
    pub(super) node_id: Uuid,
    /// Where events are sent. It must be reachable from the workers; addresses of private networks are refused unless
    /// the installation allows them.
    pub(super) url: WebUrl,
    /// Types of events, such as `payment.paid`, groups such as `payment.*`, or `*` for all. `dead_letter.*` and
    /// `signer.*` need the permission `operations`; without it, `*` does not cover them.
    #[oai(validator(min_items = 1, max_items = 50))]
    pub(super) events: Vec<String>,
    /// Only events of payments of this wallet.
    pub(super) wallet_id: Option<Uuid>,
    /// Only events of payments on this network.
    pub(super) network_id: Option<Uuid>,
    /// For people.
    #[oai(validator(max_length = 500))]
    pub(super) description: Option<String>,
    /// Headers of every request, at most 20 and 4,096 bytes in all, such as `authorization`. The values are never shown
    /// again.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// Requests a second at most; without it, as fast as the endpoint takes them.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub(super) rate_per_second: Option<i32>,
    /// `standard` when left out.
    pub(super) format: Option<Format>,
}

impl Example for NewWebhook {
    fn example() -> Self {
        Self {
            node_id: Uuid::nil(),
            url: WebUrl("https://shop.example/hooks/quittance".to_owned()),
            events: vec!["payment.*".to_owned()],
            wallet_id: None,
            network_id: None,
            description: Some("The shop's orders".to_owned()),
            headers: None,
            rate_per_second: None,
            format: None,
        }
    }
}

/// What may be changed of a webhook endpoint; what is left out stays.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WebhookChange {
    /// Where events are sent from now on, those that wait included. Where that is another origin (scheme, host, port), the
    /// headers are dropped, but for those whose values are sent anew in `headers`.
    pub(super) url: Option<WebUrl>,
    /// Types of events from now on; what is owed already stays owed.
    #[oai(validator(min_items = 1, max_items = 50))]
    pub(super) events: Option<Vec<String>>,
    /// Only events of payments of this wallet; null for all.
    pub(super) wallet_id: MaybeUndefined<Uuid>,
    /// Only events of payments on this network; null for all.
    pub(super) network_id: MaybeUndefined<Uuid>,
    /// For people; null takes it away.
    #[oai(validator(max_length = 500))]
    pub(super) description: MaybeUndefined<String>,
    /// All headers anew; a value of `***` stays what it was, unless the URL now leads to another origin.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// Requests a second at most; null for no limit.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub(super) rate_per_second: MaybeUndefined<i32>,
}

impl Example for WebhookChange {
    fn example() -> Self {
        Self {
            url: None,
            events: Some(vec!["payment.paid".to_owned(), "payment.refunded".to_owned()]),
            wallet_id: MaybeUndefined::Undefined,
            network_id: MaybeUndefined::Undefined,
            description: MaybeUndefined::Undefined,
            headers: None,
            rate_per_second: MaybeUndefined::Undefined,
        }
    }
}

/// How many deliveries of an endpoint are not at their end; each count stops at 10,000.
#[derive(Clone, Debug, Object)]
pub(crate) struct Backlog {
    /// To be sent at their time.
    pub(super) pending: u64,
    /// Held because the endpoint is disabled; a recovery sends them.
    pub(super) held: u64,
    /// Given up after all attempts; a recovery sends them again.
    pub(super) failed: u64,
}

/// Where events are sent.
#[derive(Clone, Debug, Object)]
pub(crate) struct Webhook {
    pub(crate) id: Uuid,
    node_id: Uuid,
    url: String,
    events: Vec<String>,
    wallet_id: Option<Uuid>,
    network_id: Option<Uuid>,
    description: Option<String>,
    /// The names, with `***` for each value.
    headers: BTreeMap<String, String>,
    rate_per_second: Option<i32>,
    format: Format,
    /// Whether it may hear what only operators may know.
    operators: bool,
    status: Status,
    /// The same as `status`: whether events are sent.
    enabled: bool,
    /// When it was disabled; null unless it is.
    disabled_at: Option<Time>,
    /// Why.
    disabled_reason: Option<String>,
    /// The first failure after the last success; null while it works.
    failing_since: Option<Time>,
    /// Failures since the last success.
    failures: i32,
    last_success_at: Option<Time>,
    /// Too many attempts failed: nothing is sent until then, and one attempt then finds out whether it answers again.
    paused_until: Option<Time>,
    /// Until then each event carries two signatures, by the secret and by the one before it.
    previous_secret_until: Option<Time>,
    /// What waits for it; null in lists.
    pub(super) backlog: Option<Backlog>,
    created_at: Time,
    updated_at: Time,
}

impl From<webhook_endpoint::Model> for Webhook {
    fn from(row: webhook_endpoint::Model) -> Self {
        let now = entities::now();
        Self {
            id: row.id.0,
            node_id: row.node_id.0,
            url: row.url,
            events: serde_json::from_value(row.events).unwrap_or_default(),
            wallet_id: row.wallet_id.map(|id| id.0),
            network_id: row.network_id.map(|id| id.0),
            description: row.description,
            headers: masked(&row.headers),
            rate_per_second: row.rate_per_second,
            format: row.format.into(),
            operators: row.operators,
            status: row.status.into(),
            enabled: row.status == WebhookStatus::Enabled,
            disabled_at: row.disabled_at.map(Time),
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since.map(Time),
            failures: row.failures,
            last_success_at: row.last_success_at.map(Time),
            paused_until: row.breaker_until.filter(|until| *until > now).map(Time),
            previous_secret_until: row.previous_secret_until.filter(|until| *until > now).map(Time),
            backlog: None,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

fn masked(headers: &Value) -> BTreeMap<String, String> {
    headers.as_object().into_iter().flatten().map(|(name, _)| (name.clone(), MASK.to_owned())).collect()
}

/// A webhook endpoint that was just created, with what its events are signed with.
#[derive(Clone, Debug, Object)]
pub(crate) struct CreatedWebhook {
    pub(crate) id: Uuid,
    pub(super) node_id: Uuid,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) status: Status,
    /// Signs its events (Standard Webhooks, `whsec_` and base64). Store it now: it is shown only here, and when the
    /// same request is repeated with its `Idempotency-Key`.
    pub(super) secret: Option<String>,
    pub(super) created_at: Time,
}
