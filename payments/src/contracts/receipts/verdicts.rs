//! Verdicts of whoever looks at the bank. Each may be corrected: what the bank shows is what counts, and both verdicts stand
//! in the log.

use std::collections::HashMap;

use entities::{OrderId, PaymentStatus, ReceiptStatus, SubmissionId, now, order, payment, payment_submission};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{duplicates, receipts_of, refused, told};
use crate::{
    caller::Caller,
    debt::lock_order,
    lock::Locked,
    observation::Observation,
    orders::{self, Fulfilment},
    request_error::{Conflict, RequestError},
};

/// What whoever looked at the bank says.
#[derive(Clone, Debug)]
pub struct ReceiptVerdict {
    /// Of which order.
    pub order_id: OrderId,
    /// Of which of its receipts; of all of them, when none is named.
    pub submission_id: Option<SubmissionId>,
    /// Whether the money is there.
    pub confirmed: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The request that says so.
    pub request_id: Option<String>,
}

/// Decides on a receipt, or on all of an order. Saying the same once more changes nothing.
///
/// # Errors
/// [`RequestError::Conflict`] when there is nothing to decide on, or a confirmation cannot be taken back any more.
pub async fn decide(tx: &mut Transaction, caller: &Caller, verdict: ReceiptVerdict) -> Result<(), RequestError> {
    let order = orders::find_within_reach(&**tx, caller, order::Column::Id.eq(verdict.order_id)).await?;
    let (order, _) = lock_order(tx, order.id).await?;
    let locked = match order.payment_id {
        Some(id) => Some(Locked::known(tx, id).await?),
        None => None,
    };
    // Read under the lock, so that of two verdicts at once the second sees the first.
    let receipts = receipts_of(&**tx, order.id).await?;
    let about = choose(&receipts, &verdict)?;
    let (Some(locked), false) = (locked, about.is_empty()) else {
        return Err(Conflict::NoReceipt.into());
    };
    let change = Change::new(&receipts, about, verdict.confirmed);
    if change.receipts.is_empty() {
        return Ok(());
    }
    change.check(&order, locked.payment())?;
    change.write(tx, caller, &order, locked, verdict).await
}

/// The receipts that the verdict is about.
fn choose<'a>(
    receipts: &'a [payment_submission::Model],
    verdict: &ReceiptVerdict,
) -> Result<Vec<&'a payment_submission::Model>, RequestError> {
    let Some(id) = verdict.submission_id else { return Ok(receipts.iter().collect()) };
    let named = receipts.iter().find(|receipt| receipt.id == id).ok_or(RequestError::NotFound("Submission"))?;
    Ok(vec![named])
}

/// What a verdict changes.
struct Change<'a> {
    /// Those that were not decided so before.
    receipts: Vec<&'a payment_submission::Model>,
    to: ReceiptStatus,
    /// Whether it takes back the last confirmation, so that nothing vouches for the money any more.
    withdraws: bool,
}

impl<'a> Change<'a> {
    fn new(all: &'a [payment_submission::Model], about: Vec<&'a payment_submission::Model>, confirmed: bool) -> Self {
        let to = if confirmed { ReceiptStatus::Confirmed } else { ReceiptStatus::Rejected };
        let receipts: Vec<_> = about.into_iter().filter(|receipt| receipt.status != to).collect();
        let is_confirmed = |receipt: &payment_submission::Model| receipt.status == ReceiptStatus::Confirmed;
        let stays = |receipt: &payment_submission::Model| receipts.iter().all(|changed| changed.id != receipt.id);
        let withdraws = receipts.iter().any(|receipt| is_confirmed(receipt))
            && !all.iter().any(|receipt| is_confirmed(receipt) && stays(receipt));
        Self { receipts, to, withdraws }
    }

    /// Refuses what the payment's state does not allow.
    fn check(&self, order: &order::Model, payment: &payment::Model) -> Result<(), RequestError> {
        use PaymentStatus::{
            Canceled, Completed, Expired, Failed, NeedsReview, Open, Paid, Refunded, Rejected, Submitted,
        };
        if self.withdraws {
            return withdrawable(order, payment);
        }
        let (status, confirmed) = (payment.status, self.to == ReceiptStatus::Confirmed);
        let settled = order.paid_by.is_some_and(|by| by != payment.id);
        let fits = match status {
            Open | Submitted | Rejected | Paid | Completed | NeedsReview => true,
            // Money that is found for a payment that was given up is never dropped: it then goes to review. A receipt
            // that is left over when the order is paid may be put aside.
            Failed | Canceled | Expired => confirmed || settled,
            Refunded => !confirmed,
            PaymentStatus::Pending | PaymentStatus::Canceling => false,
        };
        if fits { Ok(()) } else { Err(refused(status)) }
    }

    async fn write(
        self,
        tx: &mut Transaction,
        caller: &Caller,
        order: &order::Model,
        mut locked: Locked,
        verdict: ReceiptVerdict,
    ) -> Result<(), RequestError> {
        let duplicates = match self.to {
            ReceiptStatus::Confirmed => duplicates::of_order(&**tx, order.id).await?,
            ReceiptStatus::Reported | ReceiptStatus::Rejected => HashMap::new(),
        };
        let mut what: Vec<Observation> = Vec::with_capacity(self.receipts.len() + 1);
        for receipt in &self.receipts {
            let mut data = told(order, receipt, duplicates.get(&receipt.id).copied());
            if receipt.status != ReceiptStatus::Reported {
                data["corrects"] = json!(receipt.status);
            }
            if verdict.confirmed {
                what.push(Observation::ReceiptConfirmed { data });
            } else {
                data["reason"] = json!(verdict.reason);
                what.push(Observation::ReceiptRejected { data });
            }
        }
        if self.withdraws {
            let data = json!({ "order_id": order.id, "order_number": order.order_number, "reason": verdict.reason });
            what.push(Observation::TransferLost { data });
        }
        let asked = caller.asks(verdict.request_id);
        for what in what {
            locked.observe(what, &asked);
        }
        locked.save(tx).await?;
        self.decided(tx, verdict.reason).await
    }

    async fn decided(self, tx: &Transaction, reason: Option<String>) -> Result<(), RequestError> {
        use payment_submission::Column as C;
        let confirmed = self.to == ReceiptStatus::Confirmed;
        let written = payment_submission::Entity::update_many()
            .col_expr(C::Status, Expr::value(self.to))
            .col_expr(C::VerifiedAt, Expr::value(confirmed.then(now)))
            .col_expr(C::RejectionReason, Expr::value(reason.filter(|_| !confirmed)))
            .filter(C::Id.is_in(self.receipts.iter().map(|receipt| receipt.id)))
            .filter(C::Status.ne(self.to))
            .exec(&**tx)
            .await?;
        if written.rows_affected != u64::try_from(self.receipts.len()).unwrap_or(u64::MAX) {
            return Err(DbErr::RecordNotUpdated.into());
        }
        Ok(())
    }
}

/// Whether the money may be said not to be there after all: not once anything was done on the ground that it is.
fn withdrawable(order: &order::Model, payment: &payment::Model) -> Result<(), RequestError> {
    let why = match payment.status {
        PaymentStatus::NeedsReview => return Ok(()),
        PaymentStatus::Paid => match Fulfilment::of(&order.status) {
            Some(fulfilment) => Conflict::InHand(fulfilment),
            None => return Ok(()),
        },
        PaymentStatus::Completed => Conflict::Released,
        other => return Err(refused(other)),
    };
    Err(why.into())
}
