//! Takes up payments that wait for a message which never came.
//!
//! A message that the broker has confirmed is the broker's: when somebody deletes a queue with all that is in it, or a
//! young quorum queue does not survive the death of its only node, its messages are gone, and with them the next step
//! of their payments, or the word of it. What has waited for far longer than any message takes is therefore done
//! straight from the database, by the jobs' own code, whose guards make it harmless where the message was only late. A
//! step whose letter an operator has discarded is left alone.

use std::{fmt::Display, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{PaymentId, PaymentLogId, WebhookRecoveryId, now, payment, payment_log};
use payments::{
    Capabilities, Expiry,
    jobs::{CancelDeal, ExpirePayment, OpenDeal, ReleaseDeal},
    lightning,
};
use queue::{Payload as _, dead_letters::set_aside};
use sea_orm::{Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    jobs::{announce_events, cancel_deal, expire_payment, open_deal, recover_webhooks, release_deal},
};

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// What has changed more recently than this is left to its message. Resends wait for five minutes at most.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// How long a payment's time has to be over before it counts as never sent: a lane that works says so itself.
const LAPSED_FOR: TimeDelta = TimeDelta::seconds(10);

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

    /// The message whose job takes it.
    fn kind(self) -> &'static str {
        match self {
            Self::Open => OpenDeal::TYPE,
            Self::Expire => ExpirePayment::TYPE,
            Self::Release => ReleaseDeal::TYPE,
            Self::Cancel | Self::Close => CancelDeal::TYPE,
        }
    }

    /// Takes it for these, and returns how many that has moved on.
    async fn take(self, context: &Context, ids: Vec<PaymentId>) -> anyhow::Result<usize> {
        let ids = ids.into_iter();
        match self {
            Self::Open => open_deal::open(context, ids).await.map(|taken| taken.written),
            Self::Expire => expire_payment::expire(context, ids).await.map(|taken| taken.written),
            Self::Release => release_deal::release(context, ids).await,
            Self::Cancel | Self::Close => cancel_deal::cancel(context, ids).await,
        }
    }
}

/// Polls until it is stopped; what fails is tried again the next time.
pub async fn run(context: Context, stop: CancellationToken) {
    while tokio::time::timeout(EVERY, stop.cancelled()).await.is_err() {
        take_up(&context, PATIENCE).await;
        if let Err(error) = lapse(&context).await {
            failed("lapse", "all", &error);
        }
        for (step, done) in [
            ("announce", announce(&context, PATIENCE).await),
            ("recover", recover(&context, PATIENCE).await),
            ("invoice", poll_invoices(&context, PATIENCE).await),
            ("look", poll_sessions(&context, PATIENCE).await),
            ("settle", settle(&context, PATIENCE).await),
        ] {
            if let Err(error) = done {
                failed(step, "all", &error);
            }
        }
    }
}

/// Takes up what has waited for so long, and returns how many payments that has moved on. Each step is by itself: one
/// that fails is counted and logged, and the next is taken all the same.
pub async fn take_up(context: &Context, patience: TimeDelta) -> usize {
    let mut written = 0;
    for step in Step::ALL {
        match take_step(context, step, patience).await {
            Ok(moved) => written += moved,
            Err(error) => failed(step.word(), "all", &error),
        }
    }
    written
}

/// Expires payments whose time is over before anything of them was sent, and returns how many those were.
///
/// # Errors
/// A statement failed. What has expired before stays so, and the next call goes on.
pub async fn lapse(context: &Context) -> anyhow::Result<usize> {
    let lapse = |ids: Vec<PaymentId>| expire_payment::lapse(context, ids.into_iter());
    let log_text = LogText { step: "lapse", what: "payments were never sent in their time and expire" };
    page_by_page(log_text, |after| lapsed(context, after), lapse).await
}

async fn take_step(context: &Context, step: Step, patience: TimeDelta) -> anyhow::Result<usize> {
    let log_text = LogText { step: step.word(), what: "payments have waited for too long and are taken up" };
    page_by_page(log_text, |after| waiting(context, step, patience, after), |ids| step.take(context, ids)).await
}

/// What the log says when something was taken up.
#[derive(Clone, Copy)]
struct LogText {
    step: &'static str,
    what: &'static str,
}

/// The place of something that waits, in the order in which it is read.
type Position<T> = (T, DateTime<Utc>);

/// Reads page after page and works on each, until there is no more; how much that has moved on.
async fn page_by_page<T: Copy + Display, R, W>(
    log_text: LogText,
    read: impl Fn(Option<Position<T>>) -> R,
    work: impl Fn(Vec<T>) -> W,
) -> anyhow::Result<usize>
where
    R: Future<Output = Result<Vec<Position<T>>, DbErr>>,
    W: Future<Output = anyhow::Result<usize>>,
{
    let (mut written, mut after) = (0, None);
    loop {
        let page = read(after).await?;
        let full = page.len() as u64 == CHUNK;
        after = page.last().copied();
        if after.is_none() {
            return Ok(written);
        }
        let moved = each_by_itself(log_text.step, page.into_iter().map(|(id, _)| id).collect(), &work).await?;
        written += counted(log_text.step, moved, log_text.what);
        if !full {
            return Ok(written);
        }
    }
}

/// Works on all of them at once; where that fails, on one after the other, so that one that is damaged holds up no
/// other. Only a database that is away ends it: the others would find the same.
async fn each_by_itself<T: Copy + Display, F: Future<Output = anyhow::Result<usize>>>(
    step: &'static str,
    all: Vec<T>,
    work: impl Fn(Vec<T>) -> F,
) -> anyhow::Result<usize> {
    match work(all.clone()).await {
        Err(error) if !is_away(&error) => {}
        done => return done,
    }
    let mut written = 0;
    for one in all {
        match work(vec![one]).await {
            Ok(moved) => written += moved,
            Err(error) if is_away(&error) => return Err(error),
            Err(error) => failed(step, &one.to_string(), &error),
        }
    }
    Ok(written)
}

fn is_away(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<DbErr>()).any(queue::is_absent)
}

/// Tells of what could not be taken up; it is tried again the next time.
fn failed(step: &'static str, which: &str, error: &anyhow::Error) {
    metrics::counter!("quittance_straggler_failures_total", "step" => step).increment(1);
    tracing::warn!(step, which, "a straggler is left until the next time: {error:#}");
}

/// Counts and logs what was written anew, if anything was.
fn counted(step: &'static str, written: usize, what: &str) -> usize {
    if written > 0 {
        metrics::counter!("quittance_stragglers_total", "step" => step).increment(written as u64);
        tracing::info!(step, count = written, "{what}");
    }
    written
}

/// Announces the transitions that have waited for so long, and returns how many those were. They are announced although
/// somebody has discarded the letter of their message: events are owed to subscribers.
///
/// # Errors
/// A statement failed. What was announced before stays announced, and the next call goes on.
pub async fn announce(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let announce = |ids: Vec<PaymentLogId>| announce_events::announce(context, ids.into_iter());
    let log_text = LogText { step: "announce", what: "transitions have waited for too long and are told" };
    page_by_page(log_text, |after| unannounced(context, patience, after), announce).await
}

/// Takes recoveries of webhook endpoints up that have waited for so long, and returns how many those were.
///
/// # Errors
/// A statement failed. What was taken up before stays so, and the next call goes on.
pub async fn recover(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut taken = 0;
    for id in recover_webhooks::stranded(context, patience, CHUNK).await? {
        let go_on = |ids: Vec<WebhookRecoveryId>| async move {
            for id in &ids {
                recover_webhooks::take_up(context, *id).await?;
            }
            Ok(ids.len())
        };
        taken += each_by_itself("recover", vec![id], go_on).await?;
    }
    Ok(counted("recover", taken, "recoveries of webhook endpoints have waited for too long and are taken up"))
}

/// Has payments polled that were not polled at their gateways for so long, and returns how many those were.
pub async fn poll_sessions(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let taken = payments::sessions::take_up(&mut tx, patience, CHUNK).await?;
    tx.commit().await?;
    Ok(counted("look", taken, "payments at gateways have waited for too long and are looked at"))
}

/// Has refunds, payouts and sellers' accounts taken up that nothing has happened to for so long, and returns how many
/// those were.
pub async fn settle(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let taken = payments::sellers::take_up(&mut tx, patience, CHUNK).await?;
    tx.commit().await?;
    Ok(counted("settle", taken, "refunds, payouts or accounts have waited for too long and are taken up"))
}

/// Sends anew the messages of Lightning invoices that were not polled for so long, and returns how many those were.
/// Their node is asked by the jobs alone: it may take its time.
pub async fn poll_invoices(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let taken = lightning::send_again(&mut tx, patience, CHUNK).await?;
    tx.commit().await?;
    Ok(counted("invoice", taken, "Lightning invoices have waited for too long and are looked at"))
}

/// A page of those whose time is over and that may never have been sent.
async fn lapsed(context: &Context, after: Option<Position<PaymentId>>) -> Result<Vec<Position<PaymentId>>, DbErr> {
    use payment::Column::{ExpiresAt, Id};

    payment::Entity::find()
        .select_only()
        .columns([Id, ExpiresAt])
        // Word by word the condition of an index.
        .filter(Expr::cust("status = 'pending'"))
        .filter(payment::Column::PaymentMethod.is_in(Capabilities::methods(|rail| rail.on_chain)))
        .filter(ExpiresAt.lt(now() - LAPSED_FOR))
        .filter(Condition::all().add_option(after.map(|(id, _)| Id.gt(id))))
        .order_by_asc(Id)
        .limit(CHUNK)
        .into_tuple()
        .all(&*context.db)
        .await
}

/// A page of transitions that were not announced for so long.
async fn unannounced(
    context: &Context,
    patience: TimeDelta,
    after: Option<Position<PaymentLogId>>,
) -> Result<Vec<Position<PaymentLogId>>, DbErr> {
    use payment_log::Column::{CreatedAt, Id};

    payment_log::Entity::find()
        .select_only()
        .columns([Id, CreatedAt])
        // Word by word the condition of an index.
        .filter(Expr::cust("sequence IS NOT NULL AND announced_at IS NULL"))
        .filter(CreatedAt.lt(now() - patience))
        .filter(Condition::all().add_option(after.map(|(id, _)| Id.gt(id))))
        .order_by_asc(Id)
        .limit(CHUNK)
        .into_tuple()
        .all(&*context.db)
        .await
}

/// A page of those that wait, in the order of their index, with the place of each in that order.
async fn waiting(
    context: &Context,
    step: Step,
    patience: TimeDelta,
    after: Option<Position<PaymentId>>,
) -> Result<Vec<Position<PaymentId>>, DbErr> {
    use payment::Column::{ExpiresAt, Id, PaymentMethod, UpdatedAt};

    let before = now() - patience;
    let mut query =
        payment::Entity::find().select_only().columns([Id, ExpiresAt]).filter(Expr::cust(step.waiting())).limit(CHUNK);
    // What an operator has discarded is not done behind the operator's back.
    let aside = set_aside(&[step.kind()], "payments.id", "payments.updated_at");
    query = query.filter(Expr::cust(format!("NOT {aside}")));
    query = match step {
        // Nearly all that are open have time left: only their expiry leads to the few that have none.
        Step::Expire => {
            let rest = after.map(|(id, at)| ExpiresAt.gt(at).or(ExpiresAt.eq(at).and(Id.gt(id))));
            // The invoice's own straggler asks its node first.
            let by_the_clock = PaymentMethod.is_not_in(Capabilities::methods(|rail| rail.expiry == Expiry::Answered));
            query = query.filter(by_the_clock);
            query.filter(ExpiresAt.lt(before)).filter(Condition::all().add_option(rest)).order_by_asc(ExpiresAt)
        }
        Step::Open => {
            let rest = after.map(|(id, _)| Id.gt(id));
            // Other rails have nobody who opens anything by a message.
            let on_chain = PaymentMethod.is_in(Capabilities::methods(|rail| rail.on_chain));
            query.filter(UpdatedAt.lt(before)).filter(on_chain).filter(Condition::all().add_option(rest))
        }
        Step::Release | Step::Cancel | Step::Close => {
            let rest = after.map(|(id, _)| Id.gt(id));
            // What a gateway is asked for is the session's to take up.
            let on_chain = PaymentMethod.is_in(Capabilities::methods(|rail| rail.on_chain));
            query.filter(UpdatedAt.lt(before)).filter(on_chain).filter(Condition::all().add_option(rest))
        }
    };
    query.order_by_asc(Id).into_tuple().all(&*context.db).await
}
