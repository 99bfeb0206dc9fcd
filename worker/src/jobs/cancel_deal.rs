//! Asks the chain to close the deals of payments that were canceled or have expired.

use std::collections::HashMap;

use anyhow::Context as _;
use chain::{Kind, OperationStatus, Request, Withdrawn};
use entities::{PaymentId, PaymentStatus, WalletId, payment, wallet};
use payments::{Actor, Observation, Observed, jobs};
use queue::{Delivery, Foresight, Job, JobError, JobResult, Transaction};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, prelude::*};

use super::{all_ok, foresee_payments, foresee_request, not_requested, read_payments};
use crate::Context;

/// Statuses in which the job takes a payment up.
const TAKES: &[PaymentStatus] = &[PaymentStatus::Canceling, PaymentStatus::Expired];

/// A deal that is not known yet is closed when its opening has become known; one that nobody has sent
/// is never sent.
pub struct CancelDeal;

impl Job<Context> for CancelDeal {
    type Payload = jobs::CancelDeal;

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        cancel(context, deliveries.iter().map(|delivery| delivery.payload.payment_id)).await?;
        Ok(all_ok(&deliveries))
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.payment_id);
        let payments = read_payments(context, ids()).await?;
        let signers = signers(&*context.db, payments.values()).await?;
        let closings = chain::operation_statuses(&*context.db, ids().map(|id| id.0), Kind::Cancel).await?;
        let openings = chain::operation_statuses(&*context.db, ids().map(|id| id.0), Kind::Open).await?;
        Ok(foresee_payments(ids(), &payments, TAKES, |payment| {
            if !deal_known(payment) {
                return unsent(openings.get(&payment.id.0));
            }
            match signers.request(payment, Kind::Cancel) {
                Ok(_) => foresee_request(closings.get(&payment.id.0), "the closing was never asked for and would be"),
                Err(error) => Foresight::would_fail_again(error.to_string()),
            }
        }))
    }
}

fn deal_known(payment: &payment::Model) -> bool {
    payment.deal_id.is_some()
}

/// What a cancel would come to, as [`chain::withdraw`] decides.
fn unsent(opening: Option<&OperationStatus>) -> Foresight {
    match opening {
        None | Some(OperationStatus::StartsAnew { failed: false } | OperationStatus::Waiting) => {
            Foresight::would_resume("nothing was sent, and that would be recorded")
        }
        Some(OperationStatus::StartsAnew { failed: true } | OperationStatus::UnderWay | OperationStatus::Confirmed) => {
            Foresight::already_done("too late to take the opening back; the chain tells what becomes of it")
        }
    }
}

/// Closes the deals of those that are canceling or have expired, and returns how many have moved or were not asked of the
/// chain before.
pub(crate) async fn cancel(context: &Context, ids: impl Iterator<Item = PaymentId>) -> anyhow::Result<usize> {
    let mut tx = context.db.begin().await?;
    let payments = payments::lock_payments(&tx, ids, TAKES).await?;
    let (known, unknown): (Vec<_>, Vec<_>) = payments.into_iter().partition(deal_known);
    let not_requested = not_requested(&tx, &known, Kind::Cancel).await?;
    chain::request(&tx, &requests(&tx, &known, Kind::Cancel).await?).await?;
    fail::fail_point!("cancel_deal.requested");
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
    let written = not_requested + observed.len();
    payments::record(&mut tx, observed).await?;
    tx.commit().await?;
    context.wake(known.iter().map(|payment| payment.network_id));
    Ok(written)
}

/// One request a payment, to the diamond that holds its deal.
pub(super) async fn requests(
    tx: &Transaction,
    payments: &[payment::Model],
    kind: Kind,
) -> anyhow::Result<Vec<Request>> {
    let signers = signers(&**tx, payments).await?;
    payments.iter().map(|payment| signers.request(payment, kind)).collect()
}

/// The wallets of payments with a deal.
pub(super) struct Signers(HashMap<WalletId, wallet::Model>);

pub(super) async fn signers(
    connection: &impl ConnectionTrait,
    payments: impl IntoIterator<Item = &payment::Model>,
) -> Result<Signers, DbErr> {
    let ids: Vec<WalletId> = payments.into_iter().filter_map(|payment| payment.wallet_id).collect();
    let wallets = wallet::Entity::find().filter(wallet::Column::Id.is_in(ids)).all(connection).await?;
    Ok(Signers(wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect()))
}

impl Signers {
    pub(super) fn request(&self, payment: &payment::Model, kind: Kind) -> anyhow::Result<Request> {
        let wallet = payment.wallet_id.and_then(|id| self.0.get(&id));
        let diamond = payment.diamond_address.as_deref().context("a payment with a deal has a diamond")?;
        Ok(Request {
            subject_id: payment.id.0,
            kind,
            network_id: payment.network_id.0,
            signer: wallet
                .context("a payment with a deal has a wallet")?
                .address
                .parse()
                .context("the wallet's address")?,
            diamond: Some(diamond.parse().context("the diamond's address")?),
            terms: None,
            owner: None,
        })
    }
}
