//! Asks the chain to hand deposits to their payees.

use chain::Kind;
use entities::{PaymentId, PaymentStatus, payment};
use payments::jobs;
use queue::{Delivery, Foresight, Job, JobError, JobResult};

use super::{
    all_ok,
    cancel_deal::{requests, signers},
    foresee_payments, foresee_request, not_requested, read_payments,
};
use crate::Context;

/// Statuses in which the job takes a payment up.
const TAKES: &[PaymentStatus] = &[PaymentStatus::Paid];

/// Only what is paid and asked to be released; the chain takes one release for a deal.
pub struct ReleaseDeal;

impl Job<Context> for ReleaseDeal {
    type Payload = jobs::ReleaseDeal;

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        release(context, deliveries.iter().map(|delivery| delivery.payload.payment_id)).await?;
        Ok(all_ok(&deliveries))
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.payment_id);
        let payments = read_payments(context, ids()).await?;
        let signers = signers(&*context.db, payments.values()).await?;
        let statuses = chain::operation_statuses(&*context.db, ids().map(|id| id.0), Kind::Release).await?;
        Ok(foresee_payments(ids(), &payments, TAKES, |payment| {
            if !release_requested(payment) {
                return Foresight::already_done("nobody has asked for a release");
            }
            match signers.request(payment, Kind::Release) {
                Ok(_) => foresee_request(statuses.get(&payment.id.0), "the release was never asked for and would be"),
                Err(error) => Foresight::would_fail_again(error.to_string()),
            }
        }))
    }
}

fn release_requested(payment: &payment::Model) -> bool {
    payment.release_requested_at.is_some()
}

/// Releases those that are paid and asked to be released, and returns how many releases the chain was not asked for before.
pub(crate) async fn release(context: &Context, ids: impl Iterator<Item = PaymentId>) -> anyhow::Result<usize> {
    let tx = context.db.begin().await?;
    let mut payments = payments::lock_payments(&tx, ids, TAKES).await?;
    payments.retain(release_requested);
    let written = not_requested(&tx, &payments, Kind::Release).await?;
    chain::request(&tx, &requests(&tx, &payments, Kind::Release).await?).await?;
    fail::fail_point!("release_deal.requested");
    tx.commit().await?;
    context.wake(payments.iter().map(|payment| payment.network_id));
    Ok(written)
}
