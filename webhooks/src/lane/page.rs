//! What is due for an endpoint.

use std::collections::{HashMap, HashSet};

use entities::{
    EventId, NodeId, PaymentId, WebhookDeliveryId, WebhookEndpointId, WebhookFormat, now, payment, webhook_body,
    webhook_delivery,
};
use queue::Database;
use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};

/// A delivery that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) delivery: webhook_delivery::Model,
    /// None where it is no longer kept.
    pub(super) body: Option<String>,
    /// Whose payment it is about, where the format's signature says so.
    pub(super) merchant: Option<NodeId>,
}

/// Up to so many that are due and not in hand, the longest due first; and whether there may be more. What is in hand is
/// due as well until its result is written, and among the first.
pub(super) async fn due(
    db: &Database,
    id: WebhookEndpointId,
    limit: usize,
    taken: &HashSet<WebhookDeliveryId>,
) -> Result<(Vec<Due>, bool), DbErr> {
    use webhook_delivery::Column::{EndpointId, Id, NextAttemptAt};

    let wanted = limit + taken.len();
    let found = webhook_delivery::Entity::find()
        .filter(EndpointId.eq(id))
        .filter(Expr::cust("status = 'pending'"))
        .filter(NextAttemptAt.lte(now()))
        .order_by_asc(NextAttemptAt)
        .order_by_asc(Id)
        .limit(u64::try_from(wanted).unwrap_or(u64::MAX))
        .all(&**db)
        .await?;
    let full = found.len() == wanted;
    let fresh: Vec<webhook_delivery::Model> =
        found.into_iter().filter(|delivery| !taken.contains(&delivery.id)).collect();
    let mut bodies = bodies(db, &fresh).await?;
    let merchants = merchants(db, &fresh).await?;
    let with_body = |delivery: webhook_delivery::Model| Due {
        merchant: delivery.payment_id.and_then(|id| merchants.get(&id).copied()),
        body: bodies.remove(&(delivery.event_id, delivery.format)),
        delivery,
    };
    Ok((fresh.into_iter().map(with_body).collect(), full))
}

/// Only of those in the format that names them.
async fn merchants(db: &Database, deliveries: &[webhook_delivery::Model]) -> Result<HashMap<PaymentId, NodeId>, DbErr> {
    let naming = deliveries.iter().filter(|delivery| delivery.format == WebhookFormat::CheckoutV1);
    let ids: HashSet<PaymentId> = naming.filter_map(|delivery| delivery.payment_id).collect();
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

async fn bodies(
    db: &Database,
    deliveries: &[webhook_delivery::Model],
) -> Result<HashMap<(EventId, WebhookFormat), String>, DbErr> {
    if deliveries.is_empty() {
        return Ok(HashMap::new());
    }
    let events = deliveries.iter().map(|delivery| delivery.event_id);
    let found = webhook_body::Entity::find().filter(webhook_body::Column::EventId.is_in(events)).all(&**db).await?;
    Ok(found.into_iter().map(|row| ((row.event_id, row.format), row.body)).collect())
}
