//! Announces payments' transitions to subscribers: webhook endpoints, and queues bound to the topic exchange.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context as _;
use entities::{EventId, PaymentId, PaymentLogId, now, payment, payment_log};
use payments::{
    checkout::{self, FormattedEvent},
    event, jobs,
};
use queue::{Delivery, Foresight, Job, JobError, JobResult};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use webhooks::Outgoing;

use super::all_ok;
use crate::Context;

/// Its guard is the mark in each row: a transition is announced once, whichever message asks for it.
pub struct AnnounceEvents;

impl Job<Context> for AnnounceEvents {
    type Payload = jobs::AnnounceEvents;

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        announce(context, deliveries.iter().flat_map(|delivery| delivery.payload.log_ids.iter().copied())).await?;
        Ok(all_ok(&deliveries))
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = deliveries.iter().flat_map(|delivery| delivery.payload.log_ids.iter().copied()).collect();
        let unannounced: Vec<PaymentLogId> =
            unannounced(ids).select_only().column(payment_log::Column::Id).into_tuple().all(&*context.db).await?;
        let unannounced: BTreeSet<PaymentLogId> = unannounced.into_iter().collect();
        let foresee = |delivery: &Delivery<Self::Payload>| {
            if delivery.payload.log_ids.iter().any(|id| unannounced.contains(id)) {
                Foresight::would_resume("transitions that nobody was told of would be told")
            } else {
                Foresight::already_done("its transitions were told")
            }
        };
        Ok(deliveries.iter().map(foresee).collect())
    }
}

/// Announces those of the transitions that were not announced yet, and returns how many those are.
pub(crate) async fn announce(context: &Context, ids: impl Iterator<Item = PaymentLogId>) -> anyhow::Result<usize> {
    let ids: BTreeSet<PaymentLogId> = ids.collect();
    let mut tx = context.db.begin().await?;
    let rows = unannounced(ids).order_by_asc(payment_log::Column::Id).lock_exclusive().all(&*tx).await?;
    let events = events_of(&*tx, &rows).await?;
    let waiting = webhooks::fan_out(&mut tx, &events).await?;
    fail::fail_point!("announce_events.fanned_out");
    payment_log::Entity::update_many()
        .col_expr(payment_log::Column::AnnouncedAt, Expr::value(now()))
        .filter(payment_log::Column::Id.is_in(rows.iter().map(|row| row.id)))
        .exec(&*tx)
        .await?;
    fail::fail_point!("announce_events.before_commit");
    tx.commit().await?;
    fail::fail_point!("announce_events.committed");
    webhooks::wake(&context.db, &waiting).await?;
    context.webhooks.wake();
    Ok(rows.len())
}

fn unannounced(ids: BTreeSet<PaymentLogId>) -> Select<payment_log::Entity> {
    payment_log::Entity::find()
        .filter(payment_log::Column::Id.is_in(ids))
        .filter(payment_log::Column::AnnouncedAt.is_null())
}

/// The events that the rows with these ids are, in their order.
pub(crate) async fn events<C: ConnectionTrait>(
    connection: &C,
    ids: impl Iterator<Item = PaymentLogId>,
) -> anyhow::Result<Vec<Outgoing>> {
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::Id.is_in(ids))
        .order_by_asc(payment_log::Column::Id)
        .all(connection)
        .await?;
    events_of(connection, &rows).await
}

async fn events_of<C: ConnectionTrait>(connection: &C, rows: &[payment_log::Model]) -> anyhow::Result<Vec<Outgoing>> {
    let of: BTreeSet<PaymentId> = rows.iter().map(|row| row.payment_id).collect();
    let payments = payment::Entity::find().filter(payment::Column::Id.is_in(of)).all(connection).await?;
    let payments: HashMap<PaymentId, payment::Model> =
        payments.into_iter().map(|payment| (payment.id, payment)).collect();
    let mut checkouts = checkout::format_events(connection, rows).await?;
    rows.iter()
        .filter_map(|row| payments.get(&row.payment_id).map(|payment| (row, payment)))
        .map(|(row, payment)| outgoing(row, payment, checkouts.remove(&EventId(row.id.0)).into_iter().collect()))
        .collect::<Result<_, _>>()
        .context("an event cannot be written as JSON")
}

fn outgoing(
    row: &payment_log::Model,
    payment: &payment::Model,
    others: Vec<FormattedEvent>,
) -> serde_json::Result<Outgoing> {
    let event = event::of_payment(row, payment);
    Ok(Outgoing {
        id: event.id,
        body: serde_json::to_string(&event)?,
        name: event.name,
        others,
        operators: false,
        node_id: payment.node_id,
        payment_id: Some(payment.id),
        wallet_id: payment.wallet_id,
        network_id: Some(payment.network_id),
        sequence: event.sequence,
        occurred_at: event.occurred_at,
    })
}
