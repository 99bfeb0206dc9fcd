//! Giving back what a gateway has captured for a payment that somebody has decided to cancel: a surplus, or money that
//! came too late. What was taken for a seller goes back by a refund of its own, see `payments::refunds`.

use anyhow::{Context as _, anyhow};
use entities::{GatewaySessionStatus, PaymentStatus, gateway_session, payment};
use gateways::{Error, Gateway, Handle, Payment, Refund, Refunded, State};
use payments::{
    Actor, Observation, Observed, ledger, record,
    sessions::{self, Claimed},
};
use queue::JobError;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{SessionProgress, gateway, handle, money, report};
use crate::Context;

/// Whether money of the payment is to go back through this session.
pub(super) fn is_due(session: &gateway_session::Model, payment: &payment::Model) -> bool {
    let captured = session.status == GatewaySessionStatus::Captured;
    captured && payment.status == PaymentStatus::Canceling && session.account.is_none()
}

/// One step, committed. The gateway is polled before it is asked, and the refund's reference is always the same, so
/// that nothing goes back twice.
///
/// # Errors
/// [`JobError::Retry`] when the gateway does not answer.
pub(super) async fn advance(context: &Context, claimed: &Claimed, job: &str) -> Result<SessionProgress, JobError> {
    let step = step(context, claimed).await;
    fail::fail_point!("give_back.asked");
    match step {
        Ok(Step::Back(known)) => {
            let mut tx = context.db.begin().await?;
            ledger::settle(&mut tx, claimed.session.id, report(known), Actor::worker(job)).await?;
            fail::fail_point!("give_back.before_commit");
            tx.commit().await?;
            Ok(SessionProgress::Concluded)
        }
        Ok(Step::OnItsWay) => {
            sessions::release(&context.db, claimed, false).await?;
            Ok(SessionProgress::Refunding { looks: claimed.session.looks })
        }
        Ok(Step::Refused { code, message }) => {
            let mut tx = context.db.begin().await?;
            let data = json!({ "session_id": claimed.session.id, "code": code, "message": message });
            let what = Observation::OutcomeUnknown { data };
            record(&mut tx, vec![Observed::new(claimed.payment.id, what, Actor::worker(job))]).await?;
            tx.commit().await?;
            sessions::release(&context.db, claimed, false).await?;
            Ok(SessionProgress::Concluded)
        }
        Err(error) => {
            sessions::release(&context.db, claimed, false).await?;
            let session = &claimed.session;
            Err(JobError::Retry(error.context(format!("gateway {}, session {}", session.source, session.id))))
        }
    }
}

enum Step {
    /// All of the money is back with the payer.
    Back(Payment),
    /// The gateway has the refund and has not decided, or does not show it yet.
    OnItsWay,
    /// The gateway will definitely not give the money back.
    Refused { code: String, message: String },
}

async fn step(context: &Context, claimed: &Claimed) -> anyhow::Result<Step> {
    let Claimed { session, payment, .. } = claimed;
    let gateway = gateway(context, session)?;
    let amount = money(context, payment).await?;
    let handle = handle(session, &amount);
    let known = gateway.look_up(&handle).await?.context("the gateway does not know the payment any more")?;
    let left = known.captured - known.refunded - known.reversed;
    if left <= Decimal::ZERO {
        return Ok(Step::Back(known));
    }
    let handle = Handle { gateway_id: Some(known.gateway_id.clone()), ..handle };
    let refund = Refund {
        reference: reference(session),
        amount: gateways::Money { value: left, ..amount },
        fee: Decimal::ZERO,
        reason: Some("the payment was canceled".to_owned()),
        asked_at: session.created_at,
    };
    let refunded = match gateway.look_up_refund(&handle, &refund).await? {
        Some(found) => found,
        None => match request(gateway, &handle, &refund).await? {
            Ok(refunded) => refunded,
            Err(refused) => return Ok(refused),
        },
    };
    match refunded.state {
        State::Waiting | State::Approved => Ok(Step::OnItsWay),
        State::Failed { code, message } => Ok(Step::Refused { code, message }),
        State::Closed => Ok(Step::Refused { code: "closed".to_owned(), message: "the refund was closed".to_owned() }),
        State::Captured => match gateway.look_up(&handle).await? {
            Some(known) if known.captured <= known.refunded + known.reversed => Ok(Step::Back(known)),
            _ => Ok(Step::OnItsWay),
        },
    }
}

async fn request(gateway: &dyn Gateway, handle: &Handle, refund: &Refund) -> anyhow::Result<Result<Refunded, Step>> {
    match gateway.refund(handle, refund).await {
        Ok(refunded) => Ok(Ok(refunded)),
        Err(Error::Declined { code, message }) => Ok(Err(Step::Refused { code, message })),
        Err(error @ (Error::Unavailable(_) | Error::Misconfigured(_) | Error::Unknown(_))) => Err(anyhow!(error)),
    }
}

/// A session has one such refund; gateways take references of payments and refunds for one another's, so it is not the
/// session's own id.
fn reference(session: &gateway_session::Model) -> Uuid {
    Uuid::from_u128(session.id.0.as_u128() ^ 1)
}
