//! What is due for an endpoint.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entities::{NodeId, PaymentId, WebhookDeliveryId, WebhookEndpointId, now, payment, webhook_delivery};
use queue::Database;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryResult, QuerySelect, Statement, Value,
    prelude::*,
};

use crate::formats;

/// How many are asked for comes in steps of this size, so that there are few different statements to be prepared.
const STEP: usize = 128;

/// A delivery that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) delivery: webhook_delivery::Model,
    /// The body; none where it is no longer kept.
    pub(super) body: Option<String>,
    /// Whose payment it is about, where the format's signature says so.
    pub(super) merchant: Option<NodeId>,
}

/// A place in the order in which deliveries are due.
pub(super) type Mark = (DateTime<Utc>, WebhookDeliveryId);

#[derive(Clone, Copy, Debug)]
pub(super) struct PageRequest {
    /// Whether to read what a recovery has released, or all else.
    pub(super) recovered: bool,
    /// Deliveries to read at least, if there are so many.
    pub(super) count: usize,
    /// The page begins behind this position.
    pub(super) after: Option<Mark>,
}

/// Some that are due, the longest due first.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) due: Vec<Due>,
    /// Where it ends, if there may be more behind it.
    pub(super) more_after: Option<Mark>,
}

/// Reads a page. What is in hand is due as well until its result is written, and among the first.
pub(super) async fn due(db: &Database, id: WebhookEndpointId, request: PageRequest) -> Result<Page, DbErr> {
    let limit = request.count.next_multiple_of(STEP);
    let mut values: Vec<Value> = vec![id.0.into(), request.recovered.into(), now().into()];
    let mut after = "";
    if let Some((at, id)) = request.after {
        after = "AND (next_attempt_at, id) > ($4, $5)";
        values.extend([Value::from(at), Value::from(id.0)]);
    }
    let sql = format!(
        "SELECT d.*, b.body FROM (SELECT * FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'pending' \
         AND recovered = $2 AND next_attempt_at <= $3 {after} ORDER BY next_attempt_at, id LIMIT {limit}) d \
         LEFT JOIN webhook_bodies b ON b.event_id = d.event_id AND b.format = d.format \
         ORDER BY d.next_attempt_at, d.id"
    );
    let rows = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    let mut due = rows.iter().map(read).collect::<Result<Vec<Due>, DbErr>>()?;
    let last = due.last().and_then(|due| Some((due.delivery.next_attempt_at?, due.delivery.id)));
    let merchants = merchants(db, &due).await?;
    for due in &mut due {
        due.merchant = due.delivery.payment_id.and_then(|id| merchants.get(&id).copied());
    }
    Ok(Page { more_after: last.filter(|_| due.len() == limit), due })
}

fn read(row: &QueryResult) -> Result<Due, DbErr> {
    let delivery = webhook_delivery::Model::from_query_result(row, "")?;
    Ok(Due { delivery, body: row.try_get("", "body")?, merchant: None })
}

/// Only of those in a format whose signature names them.
async fn merchants(db: &Database, due: &[Due]) -> Result<HashMap<PaymentId, NodeId>, DbErr> {
    let naming = due.iter().filter(|due| formats::of(due.delivery.format).signature.is_some());
    let ids: HashSet<PaymentId> = naming.filter_map(|due| due.delivery.payment_id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // A payment's node never changes, so that what is signed does not either.
    let found: Vec<(PaymentId, NodeId)> = payment::Entity::find()
        .select_only()
        .columns([payment::Column::Id, payment::Column::NodeId])
        .filter(payment::Column::Id.is_in(ids))
        .into_tuple()
        .all(&**db)
        .await?;
    Ok(found.into_iter().collect())
}
