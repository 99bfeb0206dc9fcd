//! Giving an operator's verdict on a payment in review. What the rail shows allows it; where a seller's balance has some of
//! the money, the ledger has a say, too.

use entities::{PaymentId, PaymentStatus, payment};
use queue::Transaction;

use crate::{
    caller::{Caller, RequestedBy},
    lock::Locked,
    observation::Observation,
    rail::{Rail, Shown},
    reach::find_payment,
    refunds,
    verdict::{VERDICT, Verdict, VerdictError, allowed, life},
};

/// What became of a verdict.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The payment as it is now.
    pub payment: payment::Model,
    /// What the rail showed; none when this very verdict was given before and nothing was changed.
    pub by: Option<Shown>,
}

/// Gives a verdict within the caller's transaction. Giving the last one again changes nothing.
///
/// # Errors
/// [`VerdictError`]; nothing was changed then.
pub async fn resolve(
    tx: &mut Transaction,
    caller: &Caller,
    id: PaymentId,
    to: PaymentStatus,
    reason: &str,
    request_id: Option<&str>,
) -> Result<Resolved, VerdictError> {
    // Of several operators one goes on; the others then read what that one has decided.
    let mut locked = Locked::within_reach(tx, caller, id).await?;
    let payment = locked.payment().clone();
    let settled = locked.settled_by().is_some();
    let log = life(&**tx, id).await?;
    if payment.status != PaymentStatus::NeedsReview {
        let last = log.iter().rev().find(|row| row.data["trigger"] == VERDICT);
        let same = last.is_some_and(|row| row.data["to"] == to.word());
        let status = payment.status;
        return if same { Ok(Resolved { payment, by: None }) } else { Err(VerdictError::NotInReview(status)) };
    }
    let shown = Rail::of(&log).shown();
    if to == PaymentStatus::Refunded && shown != Shown::Returned && refunds::is_anything_left(tx, id).await? {
        // A seller's balance still has it: it goes back by a refund that the ledger shows.
        return Err(VerdictError::NotAllowed { to, shown, allowed: vec![PaymentStatus::Canceling] });
    }
    let allowed: Vec<PaymentStatus> = allowed(&payment, shown, settled, entities::now()).map(|rule| rule.to).collect();
    if !allowed.contains(&to) {
        return Err(VerdictError::NotAllowed { to, shown, allowed });
    }
    let what = Observation::Resolved(Verdict { to, shown, reason: reason.to_owned() });
    let by = RequestedBy { actor: caller.operator(), request_id: request_id.map(str::to_owned) };
    locked.observe(what, &by);
    locked.save(tx).await?;
    if to == PaymentStatus::Canceling {
        refunds::give_back(tx, &payment, reason, &by).await?;
    }
    Ok(Resolved { payment: find_payment(&**tx, caller, id).await?, by: Some(shown) })
}
