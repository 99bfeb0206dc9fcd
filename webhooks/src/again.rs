//! Sending to one endpoint what it has missed, or what somebody wants it to get once more.

use entities::{DeliveryStatus, EventId, WebhookDeliveryId, now, webhook_body, webhook_delivery, webhook_endpoint};
use queue::Transaction;
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, QueryFilter, QuerySelect, prelude::*, sea_query::Expr};

use crate::fan_out::{self, Outgoing, Subscriber};

/// Which of an endpoint's deliveries go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// In its place among what is due now.
    Now,
    /// When nothing else is due to the endpoint, and not so fast that others come late.
    Recovered,
}

/// Makes these deliveries due at once with all their attempts ahead, whatever became of them. Returns how many there
/// were. The endpoint must be enabled, and locked by the caller, so that nothing is due to one that was just disabled;
/// [`crate::wake`] it after the commit.
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn send_again(tx: &Transaction, deliveries: &[WebhookDeliveryId], urgency: Urgency) -> Result<u64, DbErr> {
    use webhook_delivery::Column as C;
    let now = now();
    let again = webhook_delivery::Entity::update_many()
        .col_expr(C::Status, Expr::value(DeliveryStatus::Pending))
        .col_expr(C::RoundAttempts, Expr::value(0))
        .col_expr(C::Recovered, Expr::value(urgency == Urgency::Recovered))
        .col_expr(C::NextAttemptAt, Expr::value(now))
        .col_expr(C::UpdatedAt, Expr::value(now))
        .filter(C::Id.is_in(deliveries.iter().copied()));
    Ok(again.exec(&**tx).await?.rows_affected)
}

/// Owes the endpoint those of the events that its list and its filters select, behind what is due to it now: also those that
/// it has got already, or that happened before it was there. Their nodes are the caller's matter. Returns how many are
/// due that were not; the rest is as with [`send_again`].
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn owe(tx: &Transaction, endpoint: &webhook_endpoint::Model, events: &[Outgoing]) -> Result<u64, DbErr> {
    let subscriber = Subscriber::new(endpoint.clone());
    let wanted: Vec<&Outgoing> = events.iter().filter(|event| subscriber.is_subscribed_to(event)).collect();
    let ids: Vec<EventId> = wanted.iter().map(|event| event.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let owed: Vec<(WebhookDeliveryId, EventId, DeliveryStatus)> = webhook_delivery::Entity::find()
        .select_only()
        .columns([webhook_delivery::Column::Id, webhook_delivery::Column::EventId, webhook_delivery::Column::Status])
        .filter(webhook_delivery::Column::EndpointId.eq(endpoint.id))
        .filter(webhook_delivery::Column::EventId.is_in(ids.iter().copied()))
        .into_tuple()
        .all(&**tx)
        .await?;
    let new = wanted.iter().filter(|event| !owed.iter().any(|(_, id, _)| *id == event.id));
    let (bodies, deliveries): (Vec<_>, Vec<_>) =
        new.map(|event| (fan_out::body(event, endpoint.format), recovered(&subscriber, event))).unzip();
    let added = deliveries.len() as u64;
    fan_out::insert(tx, bodies, deliveries).await?;
    keep_bodies(tx, &ids).await?;
    let ended = owed.into_iter().filter(|(_, _, status)| *status != DeliveryStatus::Pending);
    Ok(added + send_again(tx, &ended.map(|(id, ..)| id).collect::<Vec<_>>(), Urgency::Recovered).await?)
}

fn recovered(subscriber: &Subscriber, event: &Outgoing) -> webhook_delivery::ActiveModel {
    webhook_delivery::ActiveModel { recovered: Set(true), ..fan_out::delivery(subscriber, event) }
}

/// Bodies go by their age; those that are owed anew are kept for as long as new ones.
async fn keep_bodies(tx: &Transaction, events: &[EventId]) -> Result<(), DbErr> {
    let kept = webhook_body::Entity::update_many()
        .col_expr(webhook_body::Column::CreatedAt, Expr::value(now()))
        .filter(webhook_body::Column::EventId.is_in(events.iter().copied()));
    kept.exec(&**tx).await.map(drop)
}
