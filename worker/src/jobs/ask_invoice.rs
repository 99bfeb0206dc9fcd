//! Has the Lightning node make a payment's invoice, or else sees whether it is paid: one poll, and what follows from
//! it.
//!
//! The node does not know idempotency keys. Before it is asked, the row says so; from then on it is first looked for
//! there by our reference, so that an answer that got lost does not lead to a second invoice.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, anyhow};
use chrono::{TimeDelta, Utc};
use entities::{InvoiceStatus, PaymentId, lightning_invoice};
use gateways::{
    Error, Phoenixd,
    phoenixd::{Invoice, InvoiceKey},
};
use payments::{jobs, lightning};
use queue::{Delivery, Foresight, Job, JobError, JobResult};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use crate::Context;

/// How long after it was made an invoice is first polled, in case that no callback comes.
const FIRST_POLL: TimeDelta = TimeDelta::seconds(5);

/// How long after its time an unpaid invoice is given up: a payment that was on its way then has arrived.
const GRACE: TimeDelta = TimeDelta::seconds(30);

/// An invoice is not made with less time than this.
const LIFE_MIN: TimeDelta = TimeDelta::seconds(10);

/// The guards are those of the row's steps.
pub struct AskInvoice;

impl Job<Context> for AskInvoice {
    type Payload = jobs::AskInvoice;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        poll(context, delivery.payload.payment_id).await.map(drop)
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        foresee(context, deliveries.iter().map(|delivery| delivery.payload.payment_id).collect()).await
    }
}

/// Whether there is anything left to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvoiceProgress {
    /// The invoice may still be paid.
    Waiting,
    /// The invoice is settled, expired or refused.
    Over,
}

/// Brings the invoice up to what the node says of it.
pub(super) async fn poll(context: &Context, id: PaymentId) -> Result<InvoiceProgress, JobError> {
    let polled = poll_once(context, id).await;
    if polled.is_err() {
        // So that the safety net sees that somebody is at it.
        lightning::tried(&*context.db, id).await?;
    }
    polled
}

async fn poll_once(context: &Context, id: PaymentId) -> Result<InvoiceProgress, JobError> {
    let Some(invoice) = lightning::read(&*context.db, id).await? else {
        let message = format!("payment {id} has no invoice");
        return Err(JobError::DeadLetter { code: "unknown_invoice", message });
    };
    let node = match invoice.status {
        InvoiceStatus::Settled | InvoiceStatus::Refused => return Ok(InvoiceProgress::Over),
        InvoiceStatus::Asked | InvoiceStatus::Sent | InvoiceStatus::Open | InvoiceStatus::Expired => {
            context.lightning().context("no Lightning node is configured: set gateways.lightning.phoenixd")?
        }
    };
    let found = match (&invoice.payment_hash, invoice.status) {
        (_, InvoiceStatus::Asked) => None,
        (Some(hash), _) => node.look_up(InvoiceKey::Hash(hash)).await.map_err(retry)?,
        (None, _) => node.look_up(InvoiceKey::Reference(id.0)).await.map_err(retry)?,
    };
    match found {
        Some(found) => apply(context, &invoice, found).await,
        None => create(context, node, &invoice).await,
    }
}

/// Applies what the node says of an invoice that it has.
async fn apply(
    context: &Context,
    invoice: &lightning_invoice::Model,
    found: Invoice,
) -> Result<InvoiceProgress, JobError> {
    let id = invoice.payment_id;
    let mut tx = context.db.begin().await?;
    if invoice.payment_hash.is_none() {
        let watch_at = found.paid.is_none().then(|| Utc::now() + FIRST_POLL);
        lightning::made(&mut tx, id, &found.payment_hash, &found.bolt11, watch_at).await?;
        lightning::found_late(&tx, id, &found.payment_hash, &found.bolt11).await?;
    }
    let progress = match found.paid {
        Some(received) => {
            let data = json!({
                "payment_hash": found.payment_hash, "received_sat": received.amount_sat,
                "fees_msat": received.fees_msat, "at": received.at,
            });
            lightning::settled(&mut tx, id, received.amount_sat, data).await?;
            InvoiceProgress::Over
        }
        None if is_over(invoice) => {
            lightning::expired(&mut tx, id).await?;
            InvoiceProgress::Over
        }
        None => {
            lightning::polled(&*tx, id).await?;
            InvoiceProgress::Waiting
        }
    };
    fail::fail_point!("ask_invoice.followed");
    tx.commit().await?;
    Ok(progress)
}

/// The node certainly does not have it: it is made, as long as there is time.
async fn create(
    context: &Context,
    node: &Phoenixd,
    invoice: &lightning_invoice::Model,
) -> Result<InvoiceProgress, JobError> {
    let id = invoice.payment_id;
    let unmade = matches!(invoice.status, InvoiceStatus::Asked | InvoiceStatus::Sent);
    let left = invoice.expires_at - Utc::now();
    if !unmade || left < LIFE_MIN {
        if !unmade && !is_over(invoice) {
            tracing::warn!(payment_id = %id, "the Lightning node does not know its own invoice");
            return Ok(InvoiceProgress::Waiting);
        }
        let mut tx = context.db.begin().await?;
        lightning::expired(&mut tx, id).await?;
        tx.commit().await?;
        return Ok(InvoiceProgress::Over);
    }
    if invoice.status == InvoiceStatus::Asked && !note_sent(context, id).await? {
        // Somebody else is asking right now; what comes of it is seen then.
        return Err(JobError::Snooze(Duration::from_secs(1)));
    }
    fail::fail_point!("ask_invoice.sent");
    let expiry = left.to_std().unwrap_or_default();
    let made = node.create_invoice(id.0, invoice.amount_sat, &invoice.description, expiry).await;
    fail::fail_point!("ask_invoice.answered");
    match made {
        Ok(made) => apply(context, invoice, made).await,
        Err(Error::Declined { code, message }) => {
            let mut tx = context.db.begin().await?;
            lightning::refused(&mut tx, id, code, message).await?;
            tx.commit().await?;
            Ok(InvoiceProgress::Over)
        }
        Err(error) => Err(retry(error)),
    }
}

async fn note_sent(context: &Context, id: PaymentId) -> Result<bool, DbErr> {
    let tx = context.db.begin().await?;
    let first = lightning::sent(&*tx, id).await?;
    tx.commit().await?;
    Ok(first)
}

fn is_over(invoice: &lightning_invoice::Model) -> bool {
    invoice.expires_at + GRACE < Utc::now()
}

/// Trying again is right for all of these: settings that are wrong are mended, and what is unknown is looked for.
fn retry(error: Error) -> JobError {
    JobError::Retry(anyhow!(error).context("Lightning node"))
}

/// What a poll of each of these invoices would come to.
pub(super) async fn foresee(context: &Context, ids: Vec<PaymentId>) -> anyhow::Result<Vec<Foresight>> {
    let wanted = lightning_invoice::Column::PaymentId.is_in(ids.iter().copied());
    let found = lightning_invoice::Entity::find().filter(wanted).all(&*context.db).await?;
    let invoices: HashMap<PaymentId, InvoiceStatus> =
        found.into_iter().map(|invoice| (invoice.payment_id, invoice.status)).collect();
    let foresee = |id: PaymentId| match invoices.get(&id) {
        None => Foresight::would_fail_again("the payment has no invoice"),
        Some(InvoiceStatus::Asked) => Foresight::would_resume("the node was never asked for the invoice and would be"),
        Some(InvoiceStatus::Sent) => Foresight::would_resume("the invoice would be looked for at the node, or made"),
        Some(InvoiceStatus::Open) => Foresight::would_resume("it would be seen whether the invoice is paid"),
        Some(InvoiceStatus::Expired) => Foresight::would_resume("it would be seen whether it was paid after its time"),
        Some(over @ (InvoiceStatus::Settled | InvoiceStatus::Refused)) => {
            Foresight::already_done(format!("the invoice is {over}"))
        }
    };
    Ok(ids.into_iter().map(foresee).collect())
}
