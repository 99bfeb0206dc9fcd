//! Looks at a Lightning invoice again and again until it is paid or over, because a callback may never come.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use entities::PaymentId;
use payments::{jobs, lightning};
use queue::{Delivery, Foresight, Job, JobError, JobResult};

use super::ask_invoice::{self, InvoiceProgress};
use crate::Context;

/// Pause between two polls, as long as the payer probably stands at the till, and later. A node that does not answer is
/// asked again after the longer of them.
const OFTEN: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(30);

/// How long the payer probably stands at the till.
const AT_TILL: TimeDelta = TimeDelta::minutes(3);

/// One of these is sent for each invoice that was made.
pub struct WatchInvoice;

impl Job<Context> for WatchInvoice {
    type Payload = jobs::WatchInvoice;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        let id = delivery.payload.payment_id;
        match ask_invoice::poll(context, id).await {
            Ok(InvoiceProgress::Over) => Ok(()),
            Ok(InvoiceProgress::Waiting) => Err(JobError::Snooze(pause(context, id).await?)),
            // It is watched for as long as it may be paid, however long the node is away.
            Err(JobError::Retry(error)) => {
                tracing::warn!(payment_id = %id, "a Lightning invoice could not be looked at: {error:#}");
                Err(JobError::Snooze(SELDOM))
            }
            Err(other) => Err(other),
        }
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        ask_invoice::foresee(context, deliveries.iter().map(|delivery| delivery.payload.payment_id).collect()).await
    }
}

async fn pause(context: &Context, id: PaymentId) -> anyhow::Result<Duration> {
    let invoice = lightning::read(&*context.db, id).await?;
    let young = invoice.is_some_and(|invoice| invoice.created_at + AT_TILL > Utc::now());
    Ok(if young { OFTEN } else { SELDOM })
}
