//! Taking a payment at a gateway one step further: open it, poll it, take what was agreed to, or close it.

mod refunding;

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;
use entities::{
    GatewaySessionId, GatewaySessionKind, GatewaySessionStatus, PaymentStatus, checkout, currency, gateway_session,
    node, now, payment,
};
use gateways::{Error, Gateway, Handle, Money, OnBehalf, Order, Payer, Returns, Source, State};
use payments::{
    Actor,
    checkout_links::Return,
    ledger,
    sessions::{self, Claimed, GatewayReport, GatewayStatus},
};
use queue::{JobError, JobResult};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::Value;

use crate::Context;

/// How long one step may speak with a gateway. What takes longer may have been carried out, and is looked for.
const STEP: Duration = Duration::from_secs(15);

/// For how long nobody takes up what a process that died had in hand: longer than a step.
const LEASE: TimeDelta = TimeDelta::seconds(20);

/// When a session that another process has in hand is polled again.
const BUSY: Duration = Duration::from_secs(1);

/// Longest pause between two polls of a session without a callback, seconds; the pauses are 2, 4, 8 …
const POLL_MAX_S: u64 = 300;

/// How far a step has brought a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionProgress {
    /// Nothing will happen to the session by itself.
    Concluded,
    /// The payer may still pay; the session is polled again.
    Live {
        /// Polls so far.
        looks: i32,
        /// When the payer's time ends.
        expires_at: chrono::DateTime<chrono::Utc>,
    },
    /// What was captured is on its way back to the payer; the session is polled again.
    Refunding {
        /// Polls so far.
        looks: i32,
    },
}

impl SessionProgress {
    /// How long to wait before the next poll; none where nothing more will happen.
    pub(crate) fn poll_after(self) -> Option<Duration> {
        let (looks, expires_at) = match self {
            Self::Concluded => return None,
            Self::Live { looks, expires_at } => (looks, Some(expires_at)),
            Self::Refunding { looks } => (looks, None),
        };
        let doublings = u32::try_from(looks.max(1)).unwrap_or(1).min(16);
        let pause = Duration::from_secs((1_u64 << doublings).min(POLL_MAX_S));
        let Some(expires_at) = expires_at else { return Some(pause) };
        // Right after the end of its time, when it has to be closed.
        let rest = (expires_at - now()).to_std().unwrap_or_default() + BUSY;
        Some(pause.min(rest))
    }
}

/// One step, committed.
///
/// # Errors
/// [`JobError::Snooze`] while another process has it in hand; [`JobError::Retry`] when the gateway does not answer.
pub(crate) async fn advance(context: &Context, id: GatewaySessionId, job: &str) -> Result<SessionProgress, JobError> {
    let claimed = sessions::claim(&context.db, id, LEASE, |payment| !is_over(payment)).await?;
    let Some(claimed) = claimed else {
        return match sessions::find(&*context.db, id).await? {
            None => Ok(SessionProgress::Concluded),
            Some(_) => Err(JobError::Snooze(BUSY)),
        };
    };
    fail::fail_point!("session.claimed");
    if refunding::is_due(&claimed.session, &claimed.payment) {
        let step = tokio::time::timeout(STEP, refunding::advance(context, &claimed, job));
        // The lease ends by itself then.
        return step.await.unwrap_or_else(|_| Err(JobError::Retry(anyhow!("the gateway takes too long"))));
    }
    let step = tokio::time::timeout(STEP, step(context, &claimed)).await.unwrap_or_else(|_| {
        Err(StepError { error: Error::Unknown("the gateway takes too long".to_owned()), not_requested: false })
    });
    fail::fail_point!("session.answered");
    let report = match step {
        Ok(report) => report,
        Err(error) => return release_and_retry(context, &claimed, error).await.and(Ok(SessionProgress::Concluded)),
    };
    let mut tx = context.db.begin().await?;
    let session = ledger::settle(&mut tx, id, report, Actor::worker(job)).await?;
    fail::fail_point!("session.before_commit");
    tx.commit().await?;
    Ok(session.map_or(SessionProgress::Concluded, |session| progress(&session, &claimed.payment)))
}

fn progress(session: &gateway_session::Model, payment: &payment::Model) -> SessionProgress {
    if session.status == GatewaySessionStatus::Ready {
        return SessionProgress::Live { looks: session.looks, expires_at: payment.expires_at };
    }
    SessionProgress::Concluded
}

/// Whether nobody may pay any more.
fn is_over(payment: &payment::Model) -> bool {
    !matches!(payment.status, PaymentStatus::Open | PaymentStatus::Submitted) || payment.expires_at <= now()
}

/// Why a step was not made.
struct StepError {
    error: Error,
    /// Whether the gateway has nothing of it for certain.
    not_requested: bool,
}

async fn release_and_retry(context: &Context, claimed: &Claimed, stopped: StepError) -> JobResult {
    sessions::release(&context.db, claimed, stopped.not_requested).await?;
    let Claimed { session, .. } = claimed;
    Err(JobError::Retry(anyhow!(stopped.error).context(format!("gateway {}, session {}", session.source, session.id))))
}

async fn step(context: &Context, claimed: &Claimed) -> Result<GatewayReport, StepError> {
    let Claimed { session, was, payment } = claimed;
    if session.status == GatewaySessionStatus::Asked {
        // Canceled, or too late, before anybody had asked the gateway for anything.
        return Ok(GatewayReport::without_money(GatewayStatus::Closed));
    }
    let never_requested = *was == GatewaySessionStatus::Asked;
    let stopped = |error| StepError { error, not_requested: never_requested };
    let gateway = gateway(context, session).map_err(stopped)?;
    let order =
        order(context, session, payment).await.map_err(|error| stopped(Error::Unavailable(format!("{error:#}"))))?;
    let handle = handle(session, &order.amount);
    if never_requested {
        return open(gateway, &order, &handle).await;
    }
    let known = gateway.look_up(&handle).await.map_err(|error| StepError { error, not_requested: false })?;
    match known {
        None if *was == GatewaySessionStatus::Sent && is_over(payment) => {
            Ok(GatewayReport::without_money(GatewayStatus::Closed))
        }
        None if *was == GatewaySessionStatus::Sent => open(gateway, &order, &handle).await,
        None => {
            let error = Error::Unknown("the gateway does not know the payment any more".to_owned());
            Err(StepError { error, not_requested: false })
        }
        Some(known) => conclude(gateway, handle, known, payment).await,
    }
}

/// Asks the gateway to open the payment; its refusal is an answer.
async fn open(gateway: &dyn Gateway, order: &Order, handle: &Handle) -> Result<GatewayReport, StepError> {
    fail::fail_point!("session.before_open");
    match gateway.open(order).await {
        Ok(opened) if opened.state == State::Approved => {
            let handle = Handle { gateway_id: Some(opened.gateway_id), ..handle.clone() };
            let taken = gateway.capture(&handle).await.map_err(|error| StepError { error, not_requested: false })?;
            Ok(report(taken))
        }
        Ok(opened) => Ok(report(opened)),
        Err(Error::Declined { code, message }) => {
            Ok(GatewayReport::without_money(GatewayStatus::Failed { code, message }))
        }
        Err(error) => {
            let not_requested = matches!(error, Error::Unavailable(_) | Error::Misconfigured(_));
            Err(StepError { error, not_requested })
        }
    }
}

/// Takes what the payer has agreed to, and closes what nobody may pay any more.
async fn conclude(
    gateway: &dyn Gateway,
    handle: Handle,
    known: gateways::Payment,
    payment: &payment::Model,
) -> Result<GatewayReport, StepError> {
    let handle = Handle { gateway_id: Some(known.gateway_id.clone()), ..handle };
    let done = match known.state {
        State::Waiting | State::Approved if is_over(payment) => gateway.close(&handle).await,
        State::Approved => gateway.capture(&handle).await,
        State::Waiting | State::Captured | State::Failed { .. } | State::Closed => Ok(known),
    };
    done.map(report).map_err(|error| StepError { error, not_requested: false })
}

fn gateway<'a>(context: &'a Context, session: &gateway_session::Model) -> Result<&'a dyn Gateway, Error> {
    let source: Result<Source, _> = session.source.parse();
    let source = source.map_err(|error| Error::Misconfigured(error.to_string()))?;
    let gateway = context.gateways.get(source);
    gateway.map(AsRef::as_ref).ok_or_else(|| Error::Misconfigured(format!("no gateway is configured for {source}")))
}

/// How the payment is found at its gateway.
pub(crate) fn handle(session: &gateway_session::Model, amount: &Money) -> Handle {
    Handle {
        reference: session.id.0,
        gateway_id: session.gateway_id.clone(),
        amount: amount.clone(),
        asked_at: session.created_at,
        account: session.account.clone(),
    }
}

/// A payment's amount, as gateways get it.
pub(crate) async fn money(context: &Context, payment: &payment::Model) -> anyhow::Result<Money> {
    let currency = currency::Entity::find().filter(currency::Column::Id.eq(payment.currency_id)).one(&*context.db);
    let currency = currency.await?.context("the payment's currency is gone")?;
    let decimals = u32::try_from(currency.decimals).context("the currency's fraction digits")?;
    Ok(Money { value: payment.paid_price.0, currency: currency.symbol, decimals })
}

async fn order(context: &Context, session: &gateway_session::Model, payment: &payment::Model) -> anyhow::Result<Order> {
    let db = &*context.db;
    let node = node::Entity::find().filter(node::Column::Id.eq(payment.node_id)).one(db).await?;
    let checkout = checkout::Entity::find().filter(checkout::Column::PaymentId.eq(payment.id)).one(db).await?;
    let shop = node.map(|node| node.name).unwrap_or_default();
    let links = &context.checkout_links;
    let back = |what| links.back(payment.id, what).parse().context("base_url");
    let returns = match session.kind {
        GatewaySessionKind::Checkout => {
            Some(Returns { success: back(Return::Capture)?, cancel: back(Return::Decline)? })
        }
        GatewaySessionKind::Intent => None,
    };
    let source: Option<Source> = session.source.parse().ok();
    let callback_url = source.map(Source::callback_path).map(|path| format!("{}{path}", links.base_url()));
    let payer = checkout.as_ref().and_then(|checkout| checkout.payer.as_ref()).map(payer).unwrap_or_default();
    let fee = session.fee.map(|fee| fee.0).unwrap_or_default();
    Ok(Order {
        reference: session.id.0,
        amount: money(context, payment).await?,
        description: format!("{shop} {}", payment.external_id).trim().to_owned(),
        payer,
        returns,
        callback_url: callback_url.map(|url| url.parse().context("base_url")).transpose()?,
        locale: checkout.and_then(|checkout| checkout.locale),
        on_behalf: session.account.clone().map(|account| OnBehalf { account, fee }),
    })
}

fn payer(known: &Value) -> Payer {
    let text = |name: &str| known[name].as_str().map(str::to_owned);
    Payer { full_name: payments::checkout::payer_name(known), email: text("email"), phone: text("phone") }
}

fn report(known: gateways::Payment) -> GatewayReport {
    use secrecy::ExposeSecret;

    let status = match known.state {
        State::Waiting => GatewayStatus::Waiting,
        State::Approved => GatewayStatus::Approved,
        State::Captured => GatewayStatus::Captured,
        State::Failed { code, message } => GatewayStatus::Failed { code, message },
        State::Closed => GatewayStatus::Closed,
    };
    GatewayReport {
        gateway_id: Some(known.gateway_id),
        charge_id: known.charge_id,
        approve_url: known.approve_url.map(String::from),
        client_secret: known.client_secret.map(|secret| secret.expose_secret().to_owned()),
        status,
        captured: known.captured,
        refunded: known.refunded,
        reversed: known.reversed,
    }
}
