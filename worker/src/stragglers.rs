//! Takes up payments that wait for a message which never came.
//!
//! A message that the broker has confirmed is the broker's: when somebody deletes a queue with all that is in it, or a
//! young quorum queue does not survive the death of its only node, its messages are gone, and with them the next step
//! of their payments, or the word of it. What has waited for far longer than any message takes is therefore done straight
//! from the database, by the jobs' own code, whose guards make it harmless where the message was only late.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{PaymentId, PaymentLogId, now, payment, payment_log};
use payments::{jobs::OpenSession, lightning};
use queue::NewMessage;
use sea_orm::{Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    jobs::{announce_events, cancel_deal, expire_payment, open_deal, recover_webhooks, release_deal},
};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);

/// What has changed more recently than this is left to its message. Resends wait for five minutes at most.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// Payments in one transaction.
const CHUNK: u64 = 100;

/// A step that a payment waits for.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Expire,
    Release,
    Cancel,
    Close,
}

impl Step {
    const ALL: [Self; 5] = [Self::Open, Self::Expire, Self::Release, Self::Cancel, Self::Close];

    /// Who waits for it. Word by word the condition of an index.
    fn waiting(self) -> &'static str {
        match self {
            Self::Open => "status = 'pending' AND sending_since IS NULL",
            Self::Expire => "status = 'open'",
            Self::Release => "status = 'paid' AND release_requested_at IS NOT NULL",
            Self::Cancel => "status = 'canceling'",
            Self::Close => "status = 'expired' AND deal_id IS NOT NULL AND cancel_transaction_hash IS NULL",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Expire => "expire",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Close => "close",
        }
    }

    async fn take(self, context: &Context, ids: Vec<PaymentId>) -> anyhow::Result<()> {
        let ids = ids.into_iter();
        match self {
            Self::Open => open_deal::open(context, ids).await.map(drop),
            Self::Expire => expire_payment::expire(context, ids).await.map(drop),
            Self::Release => release_deal::release(context, ids).await,
            Self::Cancel | Self::Close => cancel_deal::cancel(context, ids).await,
        }
    }
}

/// Looks until it is told to stop; what fails is tried again the next time.
pub async fn run(context: Context, stop: CancellationToken) {
    while tokio::time::timeout(EVERY, stop.cancelled()).await.is_err() {
        for done in [
            take_up(&context, PATIENCE).await,
            announce(&context, PATIENCE).await,
            recover(&context, PATIENCE).await,
            look_at_invoices(&context, PATIENCE).await,
            look(&context, PATIENCE).await,
            settle(&context, PATIENCE).await,
        ] {
            if let Err(error) = done {
                tracing::warn!("stragglers are left until the next time: {error:#}");
            }
        }
    }
}

/// Takes up what has waited for so long, and returns how many payments that were.
///
/// # Errors
/// When the database fails; what was taken up until then stays so.
pub async fn take_up(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut taken = 0;
    for step in Step::ALL {
        let mut after = None;
        loop {
            let page = waiting(context, step, patience, after).await?;
            let Some(last) = page.last().copied() else { break };
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            metrics::counter!("quittance_stragglers_total", "step" => step.word()).increment(count);
            tracing::info!(step = step.word(), count, "payments have waited for too long and are taken up");
            taken += page.len();
            after = Some(last);
            step.take(context, page.into_iter().map(|(id, _)| id).collect()).await?;
            if count < CHUNK {
                break;
            }
        }
    }
    Ok(taken)
}

/// Tells the transitions that have waited for so long, and returns how many those were.
///
/// # Errors
/// When the database fails; what was told until then stays so.
pub async fn announce(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut taken = 0;
    loop {
        let page: Vec<PaymentLogId> = payment_log::Entity::find()
            .select_only()
            .column(payment_log::Column::Id)
            // Word by word the condition of an index.
            .filter(Expr::cust("sequence IS NOT NULL AND announced_at IS NULL"))
            .filter(payment_log::Column::CreatedAt.lt(now() - patience))
            .order_by_asc(payment_log::Column::Id)
            .limit(CHUNK)
            .into_tuple()
            .all(&*context.db)
            .await?;
        let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
        if count > 0 {
            metrics::counter!("quittance_stragglers_total", "step" => "announce").increment(count);
            tracing::info!(count, "transitions have waited for too long and are told");
        }
        taken += page.len();
        // Each is marked in the transaction that tells it, so that the next page is another one.
        announce_events::announce(context, page.into_iter()).await?;
        if count < CHUNK {
            return Ok(taken);
        }
    }
}

/// Takes recoveries of webhook endpoints up that have waited for so long, and returns how many those were.
///
/// # Errors
/// When the database fails; what was taken up until then stays so.
pub async fn recover(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let taken = recover_webhooks::take_up(context, patience, CHUNK).await?;
    if taken > 0 {
        let count = u64::try_from(taken).unwrap_or(u64::MAX);
        metrics::counter!("quittance_stragglers_total", "step" => "recover").increment(count);
        tracing::info!(count, "recoveries of webhook endpoints have waited for too long and are taken up");
    }
    Ok(taken)
}

/// Has payments looked at that nobody has looked at their gateways for so long, and returns how many those were.
///
/// # Errors
/// When the database fails.
pub async fn look(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let sessions = payments::sessions::forgotten(&*context.db, patience, CHUNK).await?;
    if !sessions.is_empty() {
        let count = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
        metrics::counter!("quittance_stragglers_total", "step" => "look").increment(count);
        tracing::info!(count, "payments at gateways have waited for too long and are looked at");
        let mut tx = context.db.begin().await?;
        let again = sessions.iter().map(|id| NewMessage::of(&OpenSession { session_id: *id }));
        tx.enqueue(again.collect()).await?;
        tx.commit().await?;
    }
    Ok(sessions.len())
}

/// Has refunds, payouts and sellers' accounts taken up that nothing has happened to for so long, and returns how many those
/// were.
///
/// # Errors
/// When the database fails.
pub async fn settle(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let taken = payments::sellers::take_up(&mut tx, patience, CHUNK).await?;
    tx.commit().await?;
    if taken > 0 {
        let count = u64::try_from(taken).unwrap_or(u64::MAX);
        metrics::counter!("quittance_stragglers_total", "step" => "settle").increment(count);
        tracing::info!(count, "refunds, payouts or accounts have waited for too long and are taken up");
    }
    Ok(taken)
}

/// Sends anew the messages of Lightning invoices that nobody has looked at for so long, and returns how many those were.
/// Their node is asked by the jobs alone: it may take its time.
///
/// # Errors
/// When the database fails.
pub async fn look_at_invoices(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let taken = lightning::send_again(&mut tx, patience, CHUNK).await?;
    tx.commit().await?;
    if taken > 0 {
        let count = u64::try_from(taken).unwrap_or(u64::MAX);
        metrics::counter!("quittance_stragglers_total", "step" => "invoice").increment(count);
        tracing::info!(count, "Lightning invoices have waited for too long and are looked at");
    }
    Ok(taken)
}

/// A page of those that wait, in the order of their index, with the place of each in that order.
async fn waiting(
    context: &Context,
    step: Step,
    patience: TimeDelta,
    after: Option<(PaymentId, DateTime<Utc>)>,
) -> Result<Vec<(PaymentId, DateTime<Utc>)>, DbErr> {
    use payment::Column::{ExpiresAt, Id, PaymentMethod, UpdatedAt};

    let before = now() - patience;
    let mut query =
        payment::Entity::find().select_only().columns([Id, ExpiresAt]).filter(Expr::cust(step.waiting())).limit(CHUNK);
    query = match step {
        // Nearly all that are open have time left: only their expiry leads to the few that have none.
        Step::Expire => {
            let rest = after.map(|(id, at)| ExpiresAt.gt(at).or(ExpiresAt.eq(at).and(Id.gt(id))));
            // The invoice's own straggler asks its node first.
            let by_the_clock = PaymentMethod.ne(entities::PaymentMethod::Lightning);
            query = query.filter(by_the_clock);
            query.filter(ExpiresAt.lt(before)).filter(Condition::all().add_option(rest)).order_by_asc(ExpiresAt)
        }
        Step::Open => {
            let rest = after.map(|(id, _)| Id.gt(id));
            // Other rails have nobody who opens anything by a message.
            let on_chain = PaymentMethod.eq(entities::PaymentMethod::Web3);
            query.filter(UpdatedAt.lt(before)).filter(on_chain).filter(Condition::all().add_option(rest))
        }
        Step::Release | Step::Cancel | Step::Close => {
            let rest = after.map(|(id, _)| Id.gt(id));
            // What a gateway is asked for is the session's to take up.
            let on_chain = PaymentMethod.eq(entities::PaymentMethod::Web3);
            query.filter(UpdatedAt.lt(before)).filter(on_chain).filter(Condition::all().add_option(rest))
        }
    };
    query.order_by_asc(Id).into_tuple().all(&*context.db).await
}
