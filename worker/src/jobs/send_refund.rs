//! Gives money of a card payment back to the payer, and polls what became of it.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use entities::{RefundId, RefundStatus, payment, refund};
use gateways::{Error, Gateway, Handle, Refunded, State};
use payments::{
    Actor, jobs,
    refunds::{self, RefundOutcome},
};
use queue::{Delivery, Foresight, Job, JobResult};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::{poll_delay, snooze};
use crate::{Context, sessions};

/// The row is marked as sent before the gateway is asked; what is marked already is looked for first, and
/// asked for again, with the same idempotency key, only when the gateway certainly does not have it.
pub struct SendRefund;

impl Job<Context> for SendRefund {
    type Payload = jobs::SendRefund;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        snooze(send(context, delivery.payload.refund_id).await?)
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.refund_id);
        let found = refund::Entity::find().filter(refund::Column::Id.is_in(ids())).all(&*context.db).await?;
        let refunds: HashMap<RefundId, RefundStatus> = found.into_iter().map(|row| (row.id, row.status)).collect();
        let foresee = |id| match refunds.get(&id) {
            None => Foresight::already_done("there is no such refund, so there is nothing to do"),
            Some(RefundStatus::Asked) => Foresight::would_resume("the gateway was never asked and would be"),
            Some(RefundStatus::Sent) => Foresight::would_resume("it would be looked for at the gateway"),
            Some(status @ (RefundStatus::Succeeded | RefundStatus::Failed)) => {
                Foresight::already_done(format!("the refund is {status}"))
            }
        };
        Ok(ids().map(foresee).collect())
    }
}

/// Makes one step; returns when to poll again, while the gateway has not decided.
async fn send(context: &Context, id: RefundId) -> anyhow::Result<Option<Duration>> {
    let tx = context.db.begin().await?;
    let Some(refund) = refunds::hand_over(&tx, id).await? else { return Ok(None) };
    fail::fail_point!("send_refund.before_sent");
    tx.commit().await?;
    fail::fail_point!("send_refund.sent");
    let (handle, source) = of_session(context, &refund).await?;
    let gateway = source.parse().ok().and_then(|source| context.gateways.get(source));
    let gateway = gateway.with_context(|| format!("no gateway is configured for {source}"))?;
    let outcome = request(&**gateway, &handle, &refund).await?;
    fail::fail_point!("send_refund.asked");
    let later = matches!(outcome, RefundOutcome::Pending { .. }).then(|| poll_delay(refund.looks));
    let mut tx = context.db.begin().await?;
    refunds::settle(&mut tx, id, outcome, &Actor::worker("send_refund")).await?;
    fail::fail_point!("send_refund.before_commit");
    tx.commit().await?;
    Ok(later)
}

async fn request(gateway: &dyn Gateway, handle: &Handle, refund: &refund::Model) -> anyhow::Result<RefundOutcome> {
    let wanted = gateways::Refund {
        reference: refund.id.0,
        amount: handle.amount.of_minor(refund.amount),
        fee: handle.amount.of_minor(refund.fee).value,
        reason: refund.reason.clone(),
        asked_at: refund.created_at,
    };
    if refund.status == RefundStatus::Sent
        && let Some(found) = gateway.look_up_refund(handle, &wanted).await.context("looking for the refund")?
    {
        return Ok(outcome(found));
    }
    match gateway.refund(handle, &wanted).await {
        Ok(refunded) => Ok(outcome(refunded)),
        Err(Error::Declined { code, message }) => Ok(RefundOutcome::Failed { code, message }),
        Err(error @ (Error::Unavailable(_) | Error::Misconfigured(_) | Error::Unknown(_))) => {
            Err(error).context("asking for the refund")
        }
    }
}

fn outcome(refunded: Refunded) -> RefundOutcome {
    let Refunded { gateway_id, state } = refunded;
    match state {
        State::Waiting | State::Approved => RefundOutcome::Pending { gateway_id },
        State::Captured => RefundOutcome::Succeeded { gateway_id },
        State::Failed { code, message } => RefundOutcome::Failed { code, message },
        State::Closed => {
            RefundOutcome::Failed { code: "closed".to_owned(), message: "the gateway has closed the refund".to_owned() }
        }
    }
}

/// How the gateway finds the payment, and which gateway that is.
async fn of_session(context: &Context, refund: &refund::Model) -> anyhow::Result<(Handle, String)> {
    let session = payments::sessions::find(&*context.db, refund.session_id).await?;
    let session = session.context("the refund's session is gone")?;
    let payment = payment::Entity::find().filter(payment::Column::Id.eq(session.payment_id)).one(&*context.db);
    let payment = payment.await?.context("the session's payment is gone")?;
    let amount = sessions::money(context, &payment).await?;
    Ok((sessions::handle(&session, &amount), session.source))
}
