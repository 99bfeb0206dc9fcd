//! From an event to what is owed to each endpoint.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entities::{
    DeliveryStatus, EventId, NetworkId, NodeId, PaymentId, WalletId, WebhookDeliveryId, WebhookEndpointId,
    WebhookFormat, WebhookStatus, node, now, webhook_body, webhook_delivery, webhook_endpoint,
};
use payments::{checkout::FormattedEvent, event::selects};
use queue::{Database, NewMessage, Transaction, insert_missing};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Statement, Value, prelude::*};

use crate::{feed, formats};

/// Rows of one insert: well under PostgreSQL's 65,535 parameters.
pub(crate) const ROWS_PER_INSERT: usize = 500;

/// An event that is to be delivered.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The id by which consumers recognise a repetition.
    pub id: EventId,
    /// One of [`payments::event::EVENT_TYPES`].
    pub name: String,
    /// Whether the event goes only to endpoints of operators.
    pub operators: bool,
    /// Where it happened; endpoints of this node and of those above it get it.
    pub node_id: NodeId,
    pub payment_id: Option<PaymentId>,
    pub wallet_id: Option<WalletId>,
    pub network_id: Option<NetworkId>,
    /// Its number among the events of its payment.
    pub sequence: Option<i32>,
    pub occurred_at: DateTime<Utc>,
    /// What is sent, in the format `standard`.
    pub body: String,
    /// The same in other formats, in those that have such an event.
    pub others: Vec<FormattedEvent>,
}

impl Outgoing {
    /// The event in one of the other formats.
    pub(crate) fn in_format(&self, format: WebhookFormat) -> Option<&FormattedEvent> {
        self.others.iter().find(|formatted| formatted.format == format)
    }
}

/// Endpoints that something new waits for. Given to [`wake`] after the commit.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is sent before the lanes are woken"]
pub struct Waiting(pub BTreeSet<WebhookEndpointId>);

/// Writes what is owed to each endpoint that wants one of the events, appends all to the feed and publishes them to the topic
/// exchange, in the caller's transaction, whose last statements these should be. An event that was fanned out before is owed once; the exchange gets it again, so that a caller
/// that may repeat itself needs a guard of its own.
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn fan_out(tx: &mut Transaction, events: &[Outgoing]) -> Result<Waiting, DbErr> {
    fan_out_except(tx, events, None).await
}

/// As [`fan_out`], but to one endpoint less: the one that the events are about.
pub(crate) async fn fan_out_except(
    tx: &mut Transaction,
    events: &[Outgoing],
    except: Option<WebhookEndpointId>,
) -> Result<Waiting, DbErr> {
    let subscribers = subscribers(tx, events).await?;
    let (mut deliveries, mut bodies, mut waiting) = (Vec::new(), Vec::new(), Waiting::default());
    for event in events {
        let mut formats = BTreeSet::from([WebhookFormat::Standard]);
        let is_recipient = |endpoint: &&Subscriber| endpoint.is_subscribed_to(event) && Some(endpoint.row.id) != except;
        for endpoint in subscribers.get(&event.node_id).into_iter().flatten().filter(is_recipient) {
            deliveries.push(delivery(endpoint, event));
            formats.insert(endpoint.row.format);
            if endpoint.row.status == WebhookStatus::Enabled {
                waiting.0.insert(endpoint.row.id);
            }
        }
        bodies.extend(formats.into_iter().map(|format| body(event, format)));
    }
    insert(tx, bodies, deliveries).await?;
    tx.enqueue(events.iter().map(published).collect()).await?;
    feed::append(tx, events).await?;
    Ok(waiting)
}

/// Wakes the lanes of these endpoints, because there is something to send. Call it after the commit of what waits: a
/// lane that has just found nothing polls once more after it has said so, and one of the two sees the other. If the
/// process dies in between, the lanes' own sweep finds what was left. While the breaker is open, that is when it is
/// polled.
///
/// # Errors
/// A statement failed. The caller need not try again: the sweep finds what waits.
pub async fn wake(db: &Database, Waiting(endpoints): &Waiting) -> Result<(), DbErr> {
    let endpoints: Vec<WebhookEndpointId> = endpoints.iter().copied().collect();
    for endpoints in endpoints.chunks(ROWS_PER_INSERT) {
        due_now(db, endpoints).await?;
    }
    Ok(())
}

async fn due_now(db: &Database, endpoints: &[WebhookEndpointId]) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    let places: Vec<String> = (2..endpoints.len() + 2).map(|place| format!("${place}")).collect();
    let values: Vec<Value> =
        std::iter::once(Value::from(now())).chain(endpoints.iter().map(|id| Value::from(id.0))).collect();
    // Locked in one order, so that two of these never wait for each other in a circle.
    let lock = if tx.get_database_backend() == sea_orm::DatabaseBackend::Postgres { "FOR UPDATE" } else { "" };
    let at = "CASE WHEN breaker_until > $1 THEN breaker_until ELSE $1 END";
    let sql = format!(
        "UPDATE webhook_endpoints SET due_at = {at} WHERE id IN (SELECT id FROM webhook_endpoints WHERE id IN ({}) AND \
         (due_at IS NULL OR due_at > {at}) ORDER BY id {lock})",
        places.join(", ")
    );
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    tx.commit().await
}

/// An endpoint with its list of types.
pub(crate) struct Subscriber {
    row: webhook_endpoint::Model,
    events: Vec<String>,
}

impl Subscriber {
    pub(crate) fn new(row: webhook_endpoint::Model) -> Self {
        Self { events: serde_json::from_value(row.events.clone()).unwrap_or_default(), row }
    }

    pub(crate) fn is_subscribed_to(&self, event: &Outgoing) -> bool {
        let Self { row, events } = self;
        (formats::of(row.format).name)(event).is_some_and(|name| selects(events, name))
            && (row.operators || !event.operators)
            && (row.wallet_id.is_none() || row.wallet_id == event.wallet_id)
            && (row.network_id.is_none() || row.network_id == event.network_id)
    }
}

/// For each node that something happened at, the endpoints of that node and of those above it.
async fn subscribers(tx: &Transaction, events: &[Outgoing]) -> Result<HashMap<NodeId, Vec<Subscriber>>, DbErr> {
    let ids: BTreeSet<NodeId> = events.iter().map(|event| event.node_id).collect();
    let nodes = node::Entity::find().filter(node::Column::Id.is_in(ids)).all(&**tx).await?;
    let line: BTreeSet<&str> = nodes.iter().flat_map(|node| ancestry(&node.path)).collect();
    if line.is_empty() {
        return Ok(HashMap::new());
    }
    let line = node::Entity::find().filter(node::Column::Path.is_in(line)).all(&**tx).await?;
    let paths: HashMap<NodeId, &str> = line.iter().map(|node| (node.id, node.path.as_str())).collect();
    let found = webhook_endpoint::Entity::find()
        .filter(webhook_endpoint::Column::NodeId.is_in(paths.keys().copied()))
        .filter(Expr::cust("\"deleted_at\" IS NULL"))
        .all(&**tx)
        .await?;
    Ok(nodes
        .iter()
        .map(|node| {
            let is_above = |row: &&webhook_endpoint::Model| {
                paths.get(&row.node_id).is_some_and(|path| ancestry(&node.path).any(|above| above == *path))
            };
            (node.id, found.iter().filter(is_above).cloned().map(Subscriber::new).collect())
        })
        .collect())
}

/// The path itself and those of all nodes above: `1.3.6`, `1.3` and `1`.
fn ancestry(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(above, _)| above))
}

pub(crate) fn delivery(endpoint: &Subscriber, event: &Outgoing) -> webhook_delivery::ActiveModel {
    let now = now();
    let enabled = endpoint.row.status == WebhookStatus::Enabled;
    webhook_delivery::ActiveModel {
        id: Set(WebhookDeliveryId::new()),
        endpoint_id: Set(endpoint.row.id),
        event_id: Set(event.id),
        format: Set(endpoint.row.format),
        event_type: Set(event.name.clone()),
        payment_id: Set(event.payment_id),
        sequence: Set(event.sequence),
        occurred_at: Set(event.occurred_at),
        status: Set(if enabled { DeliveryStatus::Pending } else { DeliveryStatus::Held }),
        attempts: Set(0),
        round_attempts: Set(0),
        recovered: Set(false),
        next_attempt_at: Set(enabled.then_some(now)),
        delivered_at: Set(None),
        last_status: Set(None),
        last_error: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    }
}

pub(crate) fn body(event: &Outgoing, format: WebhookFormat) -> webhook_body::ActiveModel {
    let body = (formats::of(format).body)(event);
    webhook_body::ActiveModel { event_id: Set(event.id), format: Set(format), body: Set(body), created_at: Set(now()) }
}

pub(crate) async fn insert(
    tx: &Transaction,
    bodies: Vec<webhook_body::ActiveModel>,
    deliveries: Vec<webhook_delivery::ActiveModel>,
) -> Result<(), DbErr> {
    use webhook_body::Column as Body;
    use webhook_delivery::Column as Delivery;
    for chunk in bodies.chunks(ROWS_PER_INSERT) {
        insert_missing(&**tx, chunk.to_vec(), [Body::EventId, Body::Format]).await?;
    }
    for chunk in deliveries.chunks(ROWS_PER_INSERT) {
        insert_missing(&**tx, chunk.to_vec(), [Delivery::EndpointId, Delivery::EventId]).await?;
    }
    Ok(())
}

fn published(event: &Outgoing) -> NewMessage {
    let message = NewMessage::event(event.name.clone(), event.id.0, event.body.clone())
        .header("node_id", event.node_id.to_string());
    match event.payment_id {
        Some(id) => message.header("payment_id", id.to_string()),
        None => message,
    }
}
