//! Sends money of a seller's balance to the seller's bank, and polls what became of it.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use entities::{PayoutId, PayoutStatus, payout};
use gateways::{Error, Money, PaidOut, PayoutState, Processor};
use payments::{
    jobs,
    payouts::{self, PayoutOutcome},
};
use queue::{Delivery, Foresight, Job, JobResult};
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::{poll_delay, snooze};
use crate::{Context, seller_events};

/// The row is marked as sent before the processor is asked; what is marked already is looked for first, and
/// asked for again, with the same idempotency key, only when the processor certainly does not have it.
pub struct SendPayout;

impl Job<Context> for SendPayout {
    type Payload = jobs::SendPayout;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        snooze(send(context, delivery.payload.payout_id).await?)
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.payout_id);
        let found = payout::Entity::find().filter(payout::Column::Id.is_in(ids())).all(&*context.db).await?;
        let payouts: HashMap<PayoutId, PayoutStatus> = found.into_iter().map(|row| (row.id, row.status)).collect();
        let foresee = |id| match payouts.get(&id) {
            None => Foresight::already_done("there is no such payout, so there is nothing to do"),
            Some(PayoutStatus::Asked) => Foresight::would_resume("the processor was never asked and would be"),
            Some(PayoutStatus::Sent) => Foresight::would_resume("it would be looked for at the processor"),
            Some(status @ (PayoutStatus::Paid | PayoutStatus::Failed)) => {
                Foresight::already_done(format!("the payout is {status}"))
            }
        };
        Ok(ids().map(foresee).collect())
    }
}

/// Makes one step; returns when to poll again, while the processor has not decided.
async fn send(context: &Context, id: PayoutId) -> anyhow::Result<Option<Duration>> {
    let mut tx = context.db.begin().await?;
    let Some(payout) = payouts::hand_over(&tx, id).await? else { return Ok(None) };
    let waiting = seller_events::payout(&mut tx, &payout).await?;
    fail::fail_point!("send_payout.before_sent");
    tx.commit().await?;
    seller_events::wake(context, &waiting).await?;
    fail::fail_point!("send_payout.sent");
    let processor = context.gateways.processor().context("no card processor is configured")?;
    let outcome = request(&**processor, &payout).await?;
    fail::fail_point!("send_payout.asked");
    let later = matches!(outcome, PayoutOutcome::Pending { .. }).then(|| poll_delay(payout.looks));
    let mut tx = context.db.begin().await?;
    let settled = payouts::settle(&mut tx, id, outcome).await?;
    let waiting = match &settled {
        Some(payout) => seller_events::payout(&mut tx, payout).await?,
        None => webhooks::Waiting::default(),
    };
    fail::fail_point!("send_payout.before_commit");
    tx.commit().await?;
    seller_events::wake(context, &waiting).await?;
    Ok(later)
}

async fn request(processor: &dyn Processor, payout: &payout::Model) -> anyhow::Result<PayoutOutcome> {
    let decimals = u32::try_from(payout.decimals)?;
    let wanted = gateways::Payout {
        reference: payout.id.0,
        account: payout.account_id.clone(),
        amount: Money { value: Decimal::new(payout.amount, decimals), currency: payout.currency.clone(), decimals },
        processor_id: payout.processor_id.clone(),
        asked_at: payout.created_at,
    };
    if payout.status == PayoutStatus::Sent
        && let Some(found) = processor.look_up_payout(&wanted).await.context("looking for the payout")?
    {
        return Ok(outcome(found));
    }
    match processor.pay_out(&wanted).await {
        Ok(paid) => Ok(outcome(paid)),
        Err(Error::Declined { code, message }) => Ok(PayoutOutcome::Failed { code, message }),
        Err(error @ (Error::Unavailable(_) | Error::Misconfigured(_) | Error::Unknown(_))) => {
            Err(error).context("asking for the payout")
        }
    }
}

fn outcome(paid: PaidOut) -> PayoutOutcome {
    let PaidOut { id: processor_id, state, arrival_date } = paid;
    match state {
        PayoutState::Pending => PayoutOutcome::Pending { processor_id, arrival_date },
        PayoutState::Paid => PayoutOutcome::Paid { processor_id, arrival_date },
        PayoutState::Failed { code, message } => PayoutOutcome::Failed { code, message },
    }
}
