//! What callers may ask of a payment that exists. Each is one transaction and may be repeated without harm.

use chrono::Utc;
use entities::{PaymentId, PaymentMethod, PaymentStatus, payment};
use queue::{Database, Transaction};
use sea_orm::DbErr;

use crate::{
    caller::Caller,
    lock::Locked,
    observation::{Observation, Outcome},
    reach::{Denied, find_payment},
};

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Not there, out of reach, or no database.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The payment's state does not allow it.
    #[error("a payment that is {0} cannot be {1}")]
    Conflict(PaymentStatus, &'static str),
    /// The payment cannot be sent again.
    #[error("Payment not eligible for retry")]
    NotEligible,
}

impl From<DbErr> for CommandError {
    fn from(error: DbErr) -> Self {
        Self::Denied(Denied::Database(error))
    }
}

/// Asks to cancel. Repeating it changes nothing.
///
/// # Errors
/// [`CommandError::Conflict`] when the payment has ended another way.
pub async fn cancel(
    db: &Database,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<&str>,
) -> Result<(), CommandError> {
    let mut tx = db.begin().await?;
    let (outcome, payment) = ask(&mut tx, caller, id, Observation::CancelRequested, request_id).await?;
    let done = matches!(payment.status, PaymentStatus::Canceling | PaymentStatus::Canceled | PaymentStatus::Refunded);
    if outcome == Outcome::Unchanged && !done {
        return Err(CommandError::Conflict(payment.status, "canceled"));
    }
    tx.commit().await?;
    fail::fail_point!("cancel.committed");
    Ok(())
}

/// Asks to hand the deposit to the payee. Repeating it changes nothing.
///
/// # Errors
/// [`CommandError::Conflict`] when the payment is not paid.
pub async fn release(
    db: &Database,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<&str>,
) -> Result<(), CommandError> {
    let mut tx = db.begin().await?;
    let (_, payment) = ask(&mut tx, caller, id, Observation::ReleaseRequested, request_id).await?;
    if !matches!(payment.status, PaymentStatus::Paid | PaymentStatus::Completed) {
        return Err(CommandError::Conflict(payment.status, "released"));
    }
    tx.commit().await?;
    fail::fail_point!("release.committed");
    Ok(())
}

/// Asks to send again what has not reached the chain. Safe to repeat: a payment has one deal at most.
///
/// # Errors
/// [`CommandError::NotEligible`] unless it is web3, `pending` or `failed` before any deal, and has not expired.
pub async fn retry_send(
    db: &Database,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<&str>,
) -> Result<payment::Model, CommandError> {
    let mut tx = db.begin().await?;
    let payment = find_payment(&*tx, caller, id).await?;
    let eligible = payment.payment_method == PaymentMethod::Web3
        && matches!(payment.status, PaymentStatus::Pending | PaymentStatus::Failed)
        && payment.deal_id.is_none()
        && payment.expires_at > Utc::now();
    if !eligible {
        return Err(CommandError::NotEligible);
    }
    let (outcome, payment) = ask(&mut tx, caller, id, Observation::RetryRequested, request_id).await?;
    if outcome == Outcome::Unchanged {
        return Err(CommandError::NotEligible);
    }
    tx.commit().await?;
    Ok(payment)
}

/// Records the wish and returns the payment as it is then, still locked.
async fn ask(
    tx: &mut Transaction,
    caller: &Caller,
    id: PaymentId,
    what: Observation,
    request_id: Option<&str>,
) -> Result<(Outcome, payment::Model), CommandError> {
    let mut locked = Locked::within_reach(tx, caller, id).await?;
    let outcome = locked.observe(what, &caller.asks(request_id.map(str::to_owned)));
    Ok((outcome, locked.save(tx).await?))
}
