//! Expires payments that nobody has paid in time; their deals are then closed on chain.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use entities::{NetworkId, PaymentId, PaymentStatus};
use payments::{Actor, Observation, Observed, jobs};
use queue::{Delivery, Job, JobError, JobResult};

use super::{alone, answers, lock_payments};
use crate::Context;

/// How long to wait for the chain to be read up to the expiry.
const CHAIN_WAIT: Duration = Duration::from_secs(1);

/// See the module. A payment expires only when the chain was read, with finality, beyond its expiry: a deposit of the
/// last second is then known.
pub struct ExpirePayment;

impl Job<Context> for ExpirePayment {
    type Payload = jobs::ExpirePayment;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        alone(Self::run_batch(context, vec![delivery]).await)
    }

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        let waiting = expire(context, &deliveries).await?;
        Ok(answers(&deliveries, |payload| payload.payment_id, waiting))
    }
}

async fn expire(
    context: &Context,
    deliveries: &[Delivery<jobs::ExpirePayment>],
) -> anyhow::Result<HashMap<PaymentId, JobError>> {
    let mut tx = context.db.begin().await?;
    let ids = deliveries.iter().map(|delivery| delivery.payload.payment_id);
    let payments = lock_payments(&tx, ids, &[PaymentStatus::Open]).await?;
    let networks: BTreeSet<NetworkId> = payments.iter().map(|payment| payment.network_id).collect();
    let mut read_until = HashMap::new();
    for network_id in networks {
        read_until.insert(network_id, chain::observed_until(&context.db, network_id.0).await?);
    }
    let (mut observed, mut waiting) = (Vec::new(), HashMap::new());
    for payment in payments {
        let until = read_until.get(&payment.network_id).copied().flatten();
        if until.is_some_and(|until| until > payment.expires_at) {
            observed.push(Observed::new(payment.id, Observation::Expired, Actor::worker("expire_payment")));
        } else {
            waiting.insert(payment.id, JobError::Snooze(CHAIN_WAIT));
        }
    }
    payments::record(&mut tx, observed).await?;
    tx.commit().await?;
    Ok(waiting)
}
