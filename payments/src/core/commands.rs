//! What callers may command of a payment that exists. Each is one transaction and may be repeated without harm.

use chrono::Utc;
use entities::{PaymentId, PaymentStatus, payment};
use queue::{Database, Transaction};
use sea_orm::DbErr;

use crate::{
    caller::Caller,
    lock::Locked,
    method::Capabilities,
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
    #[error("a payment that is {0} cannot be {participle}", participle = .1.participle())]
    Conflict(PaymentStatus, Command),
    /// The payment cannot be sent again.
    #[error("Payment not eligible for retry")]
    NotEligible,
}

/// What may be commanded of a payment, beside sending it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// To end it without the payer's money.
    Cancel,
    /// To hand the deposit to the payee.
    Release,
}

impl Command {
    const fn observation(self) -> Observation {
        match self {
            Self::Cancel => Observation::CancelRequested,
            Self::Release => Observation::ReleaseRequested,
        }
    }

    /// The states in which the payment is as the command wants it; in all others it was refused, and changed nothing.
    const fn done(self) -> &'static [PaymentStatus] {
        match self {
            Self::Cancel => &[PaymentStatus::Canceling, PaymentStatus::Canceled, PaymentStatus::Refunded],
            Self::Release => &[PaymentStatus::Paid, PaymentStatus::Completed],
        }
    }

    const fn participle(self) -> &'static str {
        match self {
            Self::Cancel => "canceled",
            Self::Release => "released",
        }
    }
}

impl From<DbErr> for CommandError {
    fn from(error: DbErr) -> Self {
        Self::Denied(Denied::Database(error))
    }
}

/// Requests a cancel. Repeating it changes nothing.
///
/// # Errors
/// [`CommandError::Conflict`] when the payment has ended another way.
pub async fn cancel(
    db: &Database,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<&str>,
) -> Result<(), CommandError> {
    carry_out(db, caller, id, request_id, Command::Cancel).await?;
    fail::fail_point!("cancel.committed");
    Ok(())
}

/// Requests that the deposit is handed to the payee. Repeating it changes nothing.
///
/// # Errors
/// [`CommandError::Conflict`] when the payment is not paid.
pub async fn release(
    db: &Database,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<&str>,
) -> Result<(), CommandError> {
    carry_out(db, caller, id, request_id, Command::Release).await?;
    fail::fail_point!("release.committed");
    Ok(())
}

/// Makes the request in a transaction of its own, which is only committed where the payment is then as the command wants
/// it.
async fn carry_out(
    db: &Database,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<&str>,
    command: Command,
) -> Result<(), CommandError> {
    let mut tx = db.begin().await?;
    let (_, payment) = request(&mut tx, caller, id, command.observation(), request_id).await?;
    if !command.done().contains(&payment.status) {
        return Err(CommandError::Conflict(payment.status, command));
    }
    Ok(tx.commit().await?)
}

/// Requests to send again what has not reached the chain. Safe to repeat: a payment has one deal at most.
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
    let eligible = Capabilities::of(payment.payment_method).on_chain
        && matches!(payment.status, PaymentStatus::Pending | PaymentStatus::Failed)
        && payment.deal_id.is_none()
        && payment.expires_at > Utc::now();
    if !eligible {
        return Err(CommandError::NotEligible);
    }
    let (outcome, payment) = request(&mut tx, caller, id, Observation::RetryRequested, request_id).await?;
    if outcome == Outcome::Unchanged {
        return Err(CommandError::NotEligible);
    }
    tx.commit().await?;
    Ok(payment)
}

/// Records the request and returns the payment as it is then, still locked.
async fn request(
    tx: &mut Transaction,
    caller: &Caller,
    id: PaymentId,
    what: Observation,
    request_id: Option<&str>,
) -> Result<(Outcome, payment::Model), CommandError> {
    let mut locked = Locked::within_reach(tx, caller, id).await?;
    let outcome = locked.observe(what, &caller.in_request(request_id.map(str::to_owned)));
    Ok((outcome, locked.save(tx).await?))
}

#[cfg(test)]
mod tests {
    use entities::PaymentMethod;
    use proptest::{prelude::*, sample::select};

    use super::*;
    use crate::{caller::Actor, samples};

    proptest! {
        /// A command that moves a payment leaves it as the command wants it, so that no move is rolled back as refused.
        #[test]
        fn what_a_command_moves_is_not_refused(
            method in select(PaymentMethod::ALL), status in select(PaymentStatus::ALL), sent: bool, release: bool
        ) {
            let command = if release { Command::Release } else { Command::Cancel };
            let mut subject = samples::subject(method, status);
            subject.payment.sending_since = sent.then(Utc::now);
            let outcome = subject.apply(command.observation(), &Actor::payer().into());
            let done = command.done().contains(&subject.payment.status);
            prop_assert!(outcome == Outcome::Unchanged || done, "{:?}: {:?}", command, outcome);
        }
    }

    #[test]
    fn a_refusal_names_the_state_and_the_command() {
        let refused = |command| CommandError::Conflict(PaymentStatus::Expired, command).to_string();
        assert_eq!(refused(Command::Cancel), "a payment that is expired cannot be canceled");
        assert_eq!(refused(Command::Release), "a payment that is expired cannot be released");
    }
}
