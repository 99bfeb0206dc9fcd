//! Verdicts of whoever looks at the bank.

use entities::{OrderId, PaymentId, PaymentStatus, ReceiptStatus, SubmissionId, now, order, payment_submission};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{ReceiptError, find_order, lock, receipts_of, refused, told, within_reach};
use crate::{
    caller::Caller,
    observation::Observation,
    orders::lock_order,
    record::{Observed, record},
};

/// What whoever looked at the bank says.
#[derive(Clone, Debug)]
pub struct ReceiptVerdict {
    /// Of which order.
    pub order_id: OrderId,
    /// Of which of its receipts; of all that nobody has decided yet, when none is named.
    pub submission_id: Option<SubmissionId>,
    /// Whether the money is there.
    pub confirmed: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The request that says so.
    pub request_id: Option<String>,
}

/// Decides on a receipt, or on all of an order that nobody has decided yet. Saying the same once more changes nothing.
///
/// # Errors
/// [`ReceiptError::Conflict`] when it was decided the other way.
pub async fn decide(tx: &mut Transaction, caller: &Caller, verdict: ReceiptVerdict) -> Result<(), ReceiptError> {
    let order = find_order(&**tx, verdict.order_id).await?;
    within_reach(&**tx, caller, &order).await?;
    let (order, _) = lock_order(tx, order.id).await?;
    let locked = match order.payment_id {
        Some(id) => Some(lock(tx, id).await?),
        None => None,
    };
    // Read under the lock, so that of two verdicts at once the second sees the first.
    let receipts = receipts_of(&**tx, order.id).await?;
    let wanted = if verdict.confirmed { ReceiptStatus::Confirmed } else { ReceiptStatus::Rejected };
    let undecided = choose(&receipts, &verdict, wanted)?;
    let Some(payment) = locked else {
        return Err(ReceiptError::Conflict("No receipt was reported for this order".to_owned()));
    };
    if undecided.is_empty() {
        // Named receipts that were decided the same way are done; without a name the order as a whole counts.
        return match verdict.submission_id.is_some() || stands(payment.status, wanted) {
            true => Ok(()),
            false if receipts.is_empty() => {
                Err(ReceiptError::Conflict("No receipt was reported for this order".to_owned()))
            }
            false => Err(decided(payment.status)),
        };
    }
    let settled = order.paid_by.is_some_and(|by| by != payment.id);
    if !allowed(payment.status, wanted, settled) {
        return Err(decided(payment.status));
    }
    write(tx, caller, &order, payment.id, &undecided, verdict, wanted).await
}

/// The receipts that the verdict is about and that nobody has decided yet.
fn choose<'a>(
    receipts: &'a [payment_submission::Model],
    verdict: &ReceiptVerdict,
    wanted: ReceiptStatus,
) -> Result<Vec<&'a payment_submission::Model>, ReceiptError> {
    let Some(id) = verdict.submission_id else {
        return Ok(receipts.iter().filter(|receipt| receipt.status == ReceiptStatus::Reported).collect());
    };
    let receipt = receipts.iter().find(|receipt| receipt.id == id).ok_or(ReceiptError::NotFound("Submission"))?;
    match receipt.status {
        ReceiptStatus::Reported => Ok(vec![receipt]),
        status if status == wanted => Ok(Vec::new()),
        ReceiptStatus::Confirmed => Err(ReceiptError::Conflict("The receipt is confirmed already".to_owned())),
        ReceiptStatus::Rejected => Err(ReceiptError::Conflict("The receipt is rejected already".to_owned())),
    }
}

/// Whether the payment is where the verdict would bring it.
fn stands(status: PaymentStatus, wanted: ReceiptStatus) -> bool {
    match wanted {
        ReceiptStatus::Confirmed => matches!(status, PaymentStatus::Paid | PaymentStatus::Completed),
        ReceiptStatus::Rejected => status == PaymentStatus::Rejected,
        ReceiptStatus::Reported => false,
    }
}

/// Whether a receipt may still be decided so. Money that is found for a payment that was given up is never dropped: the
/// payment then goes to `needs_review`. A receipt that is left over when the order is paid may be put aside.
fn allowed(status: PaymentStatus, wanted: ReceiptStatus, settled: bool) -> bool {
    let given_up = matches!(status, PaymentStatus::Failed | PaymentStatus::Canceled | PaymentStatus::Expired);
    let waits = matches!(status, PaymentStatus::Submitted | PaymentStatus::Rejected);
    let over = matches!(
        status,
        PaymentStatus::Paid | PaymentStatus::Completed | PaymentStatus::Refunded | PaymentStatus::NeedsReview
    );
    let left_over = wanted == ReceiptStatus::Rejected && (over || (given_up && settled));
    stands(status, wanted) || waits || left_over || (given_up && wanted == ReceiptStatus::Confirmed)
}

fn decided(status: PaymentStatus) -> ReceiptError {
    match status {
        PaymentStatus::Paid | PaymentStatus::Completed => {
            ReceiptError::Conflict("The order is confirmed already".to_owned())
        }
        PaymentStatus::Rejected => ReceiptError::Conflict("The order is rejected already".to_owned()),
        other => refused(other),
    }
}

async fn write(
    tx: &mut Transaction,
    caller: &Caller,
    order: &order::Model,
    payment_id: PaymentId,
    receipts: &[&payment_submission::Model],
    verdict: ReceiptVerdict,
    wanted: ReceiptStatus,
) -> Result<(), ReceiptError> {
    use payment_submission::Column as C;
    let observed = receipts.iter().map(|receipt| {
        let mut data = told(order, receipt, None);
        let what = if verdict.confirmed {
            Observation::ReceiptConfirmed { data }
        } else {
            data["reason"] = json!(verdict.reason);
            Observation::ReceiptRejected { data }
        };
        Observed { payment_id, what, actor: caller.actor(), request_id: verdict.request_id.clone() }
    });
    record(tx, observed.collect()).await?;
    let mut rows = payment_submission::Entity::update_many()
        .col_expr(C::Status, Expr::value(wanted))
        .filter(C::Id.is_in(receipts.iter().map(|receipt| receipt.id)))
        .filter(C::Status.eq(ReceiptStatus::Reported));
    rows = if verdict.confirmed {
        rows.col_expr(C::VerifiedAt, Expr::value(now()))
    } else {
        rows.col_expr(C::RejectionReason, Expr::value(verdict.reason))
    };
    let written = rows.exec(&**tx).await?;
    if written.rows_affected != u64::try_from(receipts.len()).unwrap_or(u64::MAX) {
        return Err(DbErr::RecordNotUpdated.into());
    }
    Ok(())
}
