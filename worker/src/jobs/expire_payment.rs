//! Expires payments that nobody has paid in time; their deals are then closed on chain.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use chain::{Kind, Withdrawn};
use chrono::{DateTime, Utc};
use entities::{NetworkId, PaymentId, PaymentStatus, payment};
use payments::{Actor, Capabilities, Expiry, Observation, Observed, jobs};
use queue::{Delivery, Foresight, Job, JobError, JobResult};
use sea_orm::ConnectionTrait;

use super::{BatchProgress, foresee_payments, read_payments, results};
use crate::Context;

/// How long to wait for the chain to be read up to the expiry.
const CHAIN_WAIT: Duration = Duration::from_secs(1);

/// Statuses in which the job takes a payment up.
const TAKES: &[PaymentStatus] = &[PaymentStatus::Open];

/// A payment expires only when the chain was read, with finality, beyond its expiry: a deposit of the
/// last second is then known.
pub struct ExpirePayment;

impl Job<Context> for ExpirePayment {
    type Payload = jobs::ExpirePayment;

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        let ids = deliveries.iter().map(|delivery| delivery.payload.payment_id);
        let taken = expire(context, ids).await?;
        Ok(results(&deliveries, |payload| payload.payment_id, taken.waiting))
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.payment_id);
        let payments = read_payments(context, ids()).await?;
        let read_until = read_until(&*context.db, payments.values()).await?;
        Ok(foresee_payments(ids(), &payments, TAKES, |payment| {
            if expires(payment, &read_until) {
                Foresight::would_resume("the payment is open and would expire")
            } else {
                Foresight::would_resume("it would wait until the chain is read beyond the expiry")
            }
        }))
    }
}

/// How far each network is read with finality.
type ReadUntil = HashMap<NetworkId, Option<DateTime<Utc>>>;

async fn read_until(
    connection: &impl ConnectionTrait,
    payments: impl IntoIterator<Item = &payment::Model>,
) -> anyhow::Result<ReadUntil> {
    let networks: BTreeSet<NetworkId> = payments.into_iter().map(|payment| payment.network_id).collect();
    let mut read_until = HashMap::new();
    for network_id in networks {
        read_until.insert(network_id, chain::observed_until(connection, network_id.0).await?);
    }
    Ok(read_until)
}

fn expires(payment: &payment::Model, read_until: &ReadUntil) -> bool {
    match Capabilities::of(payment.payment_method).expiry {
        Expiry::Recorded => {
            read_until.get(&payment.network_id).copied().flatten().is_some_and(|until| until > payment.expires_at)
        }
        // Its node is requested once more before it is given up, see `watch_invoice`.
        Expiry::Answered => false,
        // No chain knows of it: the time itself is all there is to wait for, and that nobody can pay at a gateway.
        Expiry::Time => payment.expires_at < Utc::now() && payment.sending_since.is_none(),
    }
}

/// Expires the open ones, which must be due; some have to wait for the chain.
pub(crate) async fn expire(context: &Context, ids: impl Iterator<Item = PaymentId>) -> anyhow::Result<BatchProgress> {
    let mut tx = context.db.begin().await?;
    let payments = payments::lock_payments(&tx, ids, TAKES).await?;
    let read_until = read_until(&*tx, &payments).await?;
    let (mut observed, mut waiting) = (Vec::new(), HashMap::new());
    for payment in payments {
        if expires(&payment, &read_until) {
            observed.push(Observed::new(payment.id, Observation::Expired, Actor::worker("expire_payment")));
        } else {
            waiting.insert(payment.id, JobError::Snooze(CHAIN_WAIT));
        }
    }
    let written = observed.len();
    payments::record(&mut tx, observed).await?;
    fail::fail_point!("expire_payment.recorded");
    tx.commit().await?;
    Ok(BatchProgress { waiting, written })
}

/// Expires those that wait for their deal although their time is over, as long as nothing of it was ever sent: a lane that
/// cannot work says nothing of what waits for it. Returns how many that were.
pub(crate) async fn lapse(context: &Context, ids: impl Iterator<Item = PaymentId>) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let payments = payments::lock_payments(&tx, ids, &[PaymentStatus::Pending]).await?;
    let mut observed = Vec::new();
    for payment in payments {
        if !Capabilities::of(payment.payment_method).on_chain || payment.expires_at >= Utc::now() {
            continue;
        }
        match chain::withdraw(&tx, payment.id.0, Kind::Open).await? {
            Withdrawn::Done | Withdrawn::Unknown => {
                observed.push(Observed::new(payment.id, Observation::NeverSent, Actor::worker("expire_payment")));
            }
            // Its facts tell what becomes of it.
            Withdrawn::TooLate => {}
        }
    }
    let written = observed.len();
    payments::record(&mut tx, observed).await?;
    tx.commit().await?;
    Ok(written)
}
