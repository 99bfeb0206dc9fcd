//! Asks the chain to hand deposits to their payees.

use std::collections::HashMap;

use chain::Kind;
use entities::PaymentStatus;
use payments::jobs;
use queue::{Delivery, Job, JobError, JobResult};

use super::{alone, answers, cancel_deal::requests, lock_payments};
use crate::Context;

/// See the module. Only what is paid and asked to be released; the chain takes one release for a deal.
pub struct ReleaseDeal;

impl Job<Context> for ReleaseDeal {
    type Payload = jobs::ReleaseDeal;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        alone(Self::run_batch(context, vec![delivery]).await)
    }

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        release(context, &deliveries).await?;
        Ok(answers(&deliveries, |payload| payload.payment_id, HashMap::new()))
    }
}

async fn release(context: &Context, deliveries: &[Delivery<jobs::ReleaseDeal>]) -> anyhow::Result<()> {
    let tx = context.db.begin().await?;
    let ids = deliveries.iter().map(|delivery| delivery.payload.payment_id);
    let mut payments = lock_payments(&tx, ids, &[PaymentStatus::Paid]).await?;
    payments.retain(|payment| payment.release_requested_at.is_some());
    chain::request(&tx, &requests(&tx, &payments, Kind::Release).await?).await?;
    tx.commit().await?;
    context.wake(payments.iter().map(|payment| payment.network_id));
    Ok(())
}
