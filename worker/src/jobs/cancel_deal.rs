//! Asks the chain to close the deals of payments that were canceled or have expired.

use std::collections::HashMap;

use anyhow::Context as _;
use chain::{Kind, Request, Withdrawn};
use entities::{PaymentStatus, payment, wallet};
use payments::{Actor, Observation, Observed, jobs};
use queue::{Delivery, Job, JobError, JobResult, Transaction};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::{alone, answers, lock_payments};
use crate::Context;

/// See the module. A deal that is not known yet is closed when its opening has become known; one that nobody has sent
/// is never sent.
pub struct CancelDeal;

impl Job<Context> for CancelDeal {
    type Payload = jobs::CancelDeal;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        alone(Self::run_batch(context, vec![delivery]).await)
    }

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        cancel(context, &deliveries).await?;
        Ok(answers(&deliveries, |payload| payload.payment_id, HashMap::new()))
    }
}

async fn cancel(context: &Context, deliveries: &[Delivery<jobs::CancelDeal>]) -> anyhow::Result<()> {
    let mut tx = context.db.begin().await?;
    let ids = deliveries.iter().map(|delivery| delivery.payload.payment_id);
    let payments = lock_payments(&tx, ids, &[PaymentStatus::Canceling, PaymentStatus::Expired]).await?;
    let (known, unknown): (Vec<_>, Vec<_>) = payments.into_iter().partition(|payment| payment.deal_id.is_some());
    chain::request(&tx, &requests(&tx, &known, Kind::Cancel).await?).await?;
    let mut observed = Vec::new();
    for payment in &unknown {
        match chain::withdraw(&tx, payment.id.0, Kind::Open).await? {
            Withdrawn::Done | Withdrawn::Unknown => {
                observed.push(Observed::new(payment.id, Observation::NothingSent, Actor::worker("cancel_deal")));
            }
            // What becomes of the opening is recorded, and a deal that opens is then closed.
            Withdrawn::TooLate => {}
        }
    }
    payments::record(&mut tx, observed).await?;
    tx.commit().await?;
    context.wake(known.iter().map(|payment| payment.network_id));
    Ok(())
}

/// One request a payment, to the diamond that holds its deal.
pub(super) async fn requests(
    tx: &Transaction,
    payments: &[payment::Model],
    kind: Kind,
) -> anyhow::Result<Vec<Request>> {
    let wallet_ids = payments.iter().filter_map(|payment| payment.wallet_id);
    let wallets = wallet::Entity::find().filter(wallet::Column::Id.is_in(wallet_ids)).all(&**tx).await?;
    let mut requests = Vec::with_capacity(payments.len());
    for payment in payments {
        let wallet = wallets.iter().find(|wallet| Some(wallet.id) == payment.wallet_id);
        let diamond = payment.diamond_address.as_deref().context("a payment with a deal has a diamond")?;
        requests.push(Request {
            subject_id: payment.id.0,
            kind,
            network_id: payment.network_id.0,
            signer: wallet.context("a payment with a deal has a wallet")?.address.parse()?,
            diamond: Some(diamond.parse()?),
            terms: None,
        });
    }
    Ok(requests)
}
