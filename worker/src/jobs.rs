//! Every job, by the verb phrase that also names its file, its type and its message.

mod cancel_deal;
mod deploy_diamond;
mod expire_payment;
mod open_deal;
mod release_deal;

use std::collections::HashMap;

use entities::{PaymentId, PaymentStatus, payment};
use queue::{Delivery, JobError, JobResult, Registry, Transaction};
use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};

pub use cancel_deal::CancelDeal;
pub use deploy_diamond::DeployDiamond;
pub use expire_payment::ExpirePayment;
pub use open_deal::OpenDeal;
pub use release_deal::ReleaseDeal;

use crate::Context;

/// Every job of this crate.
#[must_use]
pub fn registry() -> Registry<Context> {
    Registry::new()
        .register::<OpenDeal>()
        .register::<CancelDeal>()
        .register::<ReleaseDeal>()
        .register::<ExpirePayment>()
        .register::<DeployDiamond>()
}

/// Locks those of the payments that are in one of these states, in the order of their ids.
async fn lock_payments(
    tx: &Transaction,
    ids: impl IntoIterator<Item = PaymentId>,
    statuses: &[PaymentStatus],
) -> Result<Vec<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::Column::Id.is_in(ids))
        .filter(payment::Column::Status.is_in(statuses.iter().copied()))
        .order_by_asc(payment::Column::Id)
        .lock_exclusive()
        .all(&**tx)
        .await
}

/// The same answer to every delivery of a batch, but for the payments named in `but`.
fn answers<P>(
    deliveries: &[Delivery<P>],
    id: impl Fn(&P) -> PaymentId,
    mut but: HashMap<PaymentId, JobError>,
) -> Vec<JobResult> {
    deliveries.iter().map(|delivery| but.remove(&id(&delivery.payload)).map_or(Ok(()), Err)).collect()
}

/// The result of a batch of one.
fn alone(results: Result<Vec<JobResult>, JobError>) -> JobResult {
    results?.pop().unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_payload_has_its_job() {
        let mut jobs = super::registry().queues();
        let mut payloads = payments::jobs::QUEUES.to_vec();
        jobs.sort_unstable();
        payloads.sort_unstable();
        assert_eq!(jobs, payloads);
    }
}
