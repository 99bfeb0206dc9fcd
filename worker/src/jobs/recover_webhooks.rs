//! Sends again what a webhook endpoint has missed: one step of a recovery, and the message for the next.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entities::{
    DeliveryStatus, PaymentId, PaymentLogId, RecoveryStatus, Unscoped as _, WebhookDeliveryId, WebhookEndpointId,
    WebhookRecoveryId, WebhookStatus, id_bound, node, now, payment, payment_log, webhook_delivery, webhook_endpoint,
    webhook_recovery,
};
use payments::{jobs, reach::of_subtree};
use queue::{
    Delivery, Foresight, Job, JobResult, NewMessage, Payload as _, Transaction, dead_letters::set_aside, inbox,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    prelude::*,
};
use webhooks::{Urgency, Waiting};

use super::announce_events;
use crate::Context;

/// Each step is one transaction: what it owes, the cursor, and the message for the step after it. The
/// guard is the inbox, so that a message that comes twice makes one step and has one successor.
pub struct RecoverWebhooks;

/// Its name in the inbox.
const CONSUMER: &str = "recover_webhooks";

/// Rows that a step reads.
const STEP: u64 = 500;

/// How many of an endpoint's released deliveries may wait to be sent before more are released: enough for a lane, and
/// so few that a run takes no more from the database than the endpoint takes from it.
const AHEAD: u64 = 2_000;

/// When it is polled again whether more may be released; and when, while the endpoint does not take what it has.
const PAUSE: TimeDelta = TimeDelta::milliseconds(500);
const LONG_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// How far a log row's id may be from its time: ids are made by processes with clocks of their own.
const CLOCKS: TimeDelta = TimeDelta::minutes(5);

impl Job<Context> for RecoverWebhooks {
    type Payload = jobs::RecoverWebhooks;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        let tx = context.db.begin().await?;
        if !inbox::first_time(&tx, CONSUMER, delivery.message_id).await? {
            return Ok(());
        }
        Ok(go_on(context, tx, delivery.payload.recovery_id).await?)
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let messages: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.message_id).collect();
        let processed = inbox::processed(&context.db, CONSUMER, &messages).await?;
        let ids: BTreeSet<WebhookRecoveryId> = deliveries.iter().map(|delivery| delivery.payload.recovery_id).collect();
        let running: Vec<WebhookRecoveryId> = running()
            .filter(webhook_recovery::Column::Id.is_in(ids))
            .select_only()
            .column(webhook_recovery::Column::Id)
            .into_tuple()
            .all(&*context.db)
            .await?;
        let foresee = |delivery: &Delivery<Self::Payload>| {
            if processed.contains(&delivery.message_id) {
                Foresight::already_done("this step was made, and the next one has a message of its own")
            } else if running.contains(&delivery.payload.recovery_id) {
                Foresight::would_resume("the recovery would go on where it stands")
            } else {
                Foresight::already_done("the recovery is at its end")
            }
        };
        Ok(deliveries.iter().map(foresee).collect())
    }
}

/// The runs whose message must be lost, and whose step nobody wants left alone.
pub(crate) async fn stranded(
    context: &Context,
    patience: TimeDelta,
    most: u64,
) -> Result<Vec<WebhookRecoveryId>, DbErr> {
    let aside = set_aside(&[jobs::RecoverWebhooks::TYPE], "webhook_recoveries.id", "webhook_recoveries.updated_at");
    running()
        .filter(Expr::cust(format!("NOT {aside}")))
        .filter(webhook_recovery::Column::UpdatedAt.lt(now() - patience))
        .select_only()
        .column(webhook_recovery::Column::Id)
        .order_by_asc(webhook_recovery::Column::UpdatedAt)
        .limit(most)
        .into_tuple()
        .all(&*context.db)
        .await
}

/// Takes a run one step further, past its message. Should that come all the same, its steps and these take turns.
pub(crate) async fn take_up(context: &Context, id: WebhookRecoveryId) -> anyhow::Result<()> {
    go_on(context, context.db.begin().await?, id).await
}

/// Makes one step and commits it.
async fn go_on(context: &Context, mut tx: Transaction, id: WebhookRecoveryId) -> anyhow::Result<()> {
    let Some(waiting) = step(&mut tx, id).await? else { return Ok(()) };
    fail::fail_point!("recover_webhooks.before_commit");
    tx.commit().await?;
    fail::fail_point!("recover_webhooks.committed");
    webhooks::wake(&context.db, &waiting).await?;
    context.webhooks.wake();
    Ok(())
}

/// What one step of a recovery did.
struct Step {
    examined: usize,
    recovered: u64,
    /// Where the next one goes on; none when there is nothing left.
    cursor: Option<Uuid>,
}

fn running() -> Select<webhook_recovery::Entity> {
    // Word by word the condition of an index.
    webhook_recovery::Entity::find().filter(Expr::cust("status = 'running'"))
}

/// Takes the run one step further; none if it is at its end already.
async fn step(tx: &mut Transaction, id: WebhookRecoveryId) -> anyhow::Result<Option<Waiting>> {
    let running = running().filter(webhook_recovery::Column::Id.eq(id)).lock_exclusive();
    let Some(run) = running.one(&**tx).await? else { return Ok(None) };
    // Locked until the commit: nothing becomes due to an endpoint that is being disabled.
    let endpoint = webhook_endpoint::Entity::find_unscoped(run.endpoint_id).lock_exclusive().one(&**tx).await?;
    let usable =
        |endpoint: &webhook_endpoint::Model| endpoint.deleted_at.is_none() && endpoint.status == WebhookStatus::Enabled;
    let Some(endpoint) = endpoint.filter(usable) else {
        let error = "The endpoint was disabled or deleted; enable it and recover again from where this run has come to";
        finish(tx, run, RecoveryStatus::Failed, Some(error)).await?;
        return Ok(Some(Waiting::default()));
    };
    if ahead(tx, run.endpoint_id).await? as u64 >= AHEAD {
        return wait(tx, run, &endpoint).await.map(Some);
    }
    let step = if run.only_failed { missed(tx, &run).await? } else { all(tx, &run, &endpoint).await? };
    let counted = |before: i32, more: u64| before.saturating_add(i32::try_from(more).unwrap_or(i32::MAX));
    let mut next = run.clone().into_active_model();
    next.examined = Set(counted(run.examined, step.examined as u64));
    next.recovered = Set(counted(run.recovered, step.recovered));
    next.cursor = Set(step.cursor.or(run.cursor));
    next.updated_at = Set(now());
    let run = next.update(&**tx).await?;
    if step.cursor.is_some() {
        tx.enqueue(vec![NewMessage::of(&jobs::RecoverWebhooks::new(id, endpoint.node_id))]).await?;
    } else {
        finish(tx, run, RecoveryStatus::Done, None).await?;
    }
    Ok(Some(Waiting(BTreeSet::from([endpoint.id]))))
}

/// How many that were released are still to be sent, as far as that matters.
async fn ahead(tx: &Transaction, endpoint: WebhookEndpointId) -> Result<usize, DbErr> {
    use webhook_delivery::Column as C;
    let released = webhook_delivery::Entity::find()
        .filter(C::EndpointId.eq(endpoint))
        .filter(Expr::cust("\"status\" = 'pending'"))
        .filter(C::Recovered.eq(true));
    let ids = released.select_only().column(C::Id).limit(AHEAD).into_tuple::<WebhookDeliveryId>().all(&**tx).await?;
    Ok(ids.len())
}

/// Lets the endpoint take what it has first. The row says that somebody sees to the run.
async fn wait(
    tx: &mut Transaction,
    run: webhook_recovery::Model,
    endpoint: &webhook_endpoint::Model,
) -> anyhow::Result<Waiting> {
    let pause = if endpoint.failing_since.is_some() { LONG_PAUSE } else { PAUSE };
    let next = NewMessage::of(&jobs::RecoverWebhooks::new(run.id, endpoint.node_id)).due_at(now() + pause);
    let mut run = run.into_active_model();
    run.updated_at = Set(now());
    run.update(&**tx).await?;
    tx.enqueue(vec![next]).await?;
    Ok(Waiting::default())
}

async fn finish(
    tx: &Transaction,
    run: webhook_recovery::Model,
    status: RecoveryStatus,
    error: Option<&str>,
) -> Result<(), DbErr> {
    let mut run = run.into_active_model();
    run.status = Set(status);
    run.error = Set(error.map(str::to_owned));
    run.updated_at = Set(now());
    run.finished_at = Set(Some(now()));
    run.update(&**tx).await.map(drop)
}

/// Deliveries that were held or given up. A delivery that is given up once more behind the cursor has had its turn; one
/// that is held has not, wherever it stands: its writer may have committed late. So those are looked for once more from
/// the beginning, when there is nothing more behind the cursor.
async fn missed(tx: &Transaction, run: &webhook_recovery::Model) -> Result<Step, DbErr> {
    let after = run.cursor.unwrap_or_else(|| id_bound(run.since - CLOCKS));
    let mut found = Vec::new();
    for status in [DeliveryStatus::Held, DeliveryStatus::Failed] {
        found.extend(in_status(tx, run, status, after).await?);
    }
    found.sort_unstable();
    found.truncate(STEP as usize);
    let cursor = found.last().map(|id| id.0).or(run.cursor);
    if found.len() < STEP as usize {
        let late = in_status(tx, run, DeliveryStatus::Held, id_bound(run.since - CLOCKS)).await?;
        found.extend(late.into_iter().filter(|id| id.0 <= after));
    }
    found.truncate(STEP as usize);
    let recovered = webhooks::send_again(tx, &found, Urgency::Recovered).await?;
    Ok(Step { examined: found.len(), recovered, cursor: cursor.filter(|_| found.len() == STEP as usize) })
}

/// Some in this status behind an id, in the order of their ids: a walk along an index, which the rows leave as they are
/// released.
async fn in_status(
    tx: &Transaction,
    run: &webhook_recovery::Model,
    status: DeliveryStatus,
    after: Uuid,
) -> Result<Vec<WebhookDeliveryId>, DbErr> {
    use webhook_delivery::Column as C;
    webhook_delivery::Entity::find()
        .select_only()
        .column(C::Id)
        .filter(C::EndpointId.eq(run.endpoint_id))
        .filter(C::Status.eq(status))
        .filter(C::Id.gt(WebhookDeliveryId(after)))
        .filter(C::OccurredAt.gte(run.since))
        .filter(C::OccurredAt.lt(run.until))
        .order_by_asc(C::Id)
        .limit(STEP)
        .into_tuple()
        .all(&**tx)
        .await
}

/// All events of payments that the endpoint selects. An event that is announced for the first time meanwhile comes by
/// itself.
async fn all(
    tx: &Transaction,
    run: &webhook_recovery::Model,
    endpoint: &webhook_endpoint::Model,
) -> anyhow::Result<Step> {
    use payment_log::Column as C;
    let after = run.cursor.unwrap_or_else(|| id_bound(run.since - CLOCKS));
    let found: Vec<(PaymentLogId, PaymentId, DateTimeUtc)> = payment_log::Entity::find()
        .select_only()
        .columns([C::Id, C::PaymentId, C::CreatedAt])
        .filter(Expr::cust("\"payment_logs\".\"sequence\" IS NOT NULL"))
        .filter(C::Id.gt(PaymentLogId(after)))
        .filter(C::Id.lt(PaymentLogId(id_bound(run.until + CLOCKS))))
        .order_by_asc(C::Id)
        .limit(STEP)
        .into_tuple()
        .all(&**tx)
        .await?;
    let cursor = found.last().map(|(id, ..)| id.0).filter(|_| found.len() as u64 == STEP);
    let within = found.iter().filter(|(_, _, at)| (run.since..run.until).contains(at));
    let of_payments = selected(tx, endpoint, within.clone().map(|(_, id, _)| *id)).await?;
    let ids = within.filter(|(_, payment_id, _)| of_payments.contains(payment_id)).map(|(id, ..)| *id);
    let events = announce_events::events(&**tx, ids).await?;
    let recovered = webhooks::owe(tx, endpoint, &events).await?;
    Ok(Step { examined: found.len(), recovered, cursor })
}

/// Those of the payments that belong to the endpoint's node or one below.
async fn selected(
    tx: &Transaction,
    endpoint: &webhook_endpoint::Model,
    payments: impl Iterator<Item = PaymentId>,
) -> Result<BTreeSet<PaymentId>, DbErr> {
    let payments: BTreeSet<PaymentId> = payments.collect();
    let Some(node) = node::Entity::find_unscoped(endpoint.node_id).one(&**tx).await? else {
        return Ok(BTreeSet::new());
    };
    let found: Vec<PaymentId> = of_subtree::<payment::Entity>(&node.path)
        .select_only()
        .column(payment::Column::Id)
        .filter(payment::Column::Id.is_in(payments))
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(found.into_iter().collect())
}
