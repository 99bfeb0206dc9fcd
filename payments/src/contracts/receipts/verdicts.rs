//! Verdicts of whoever looks at the bank. Each may be corrected: what the bank shows is what counts, and both verdicts stand
//! in the log.

use std::collections::HashMap;

use entities::{OrderId, PaymentStatus, ReceiptStatus, SubmissionId, now, order, payment, payment_submission};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{duplicates, event_data, receipts_of, refused};
use crate::{
    caller::Caller,
    debt::lock_order,
    lock::Locked,
    observation::Observation,
    orders::{self, Fulfilment},
    request_error::{Conflict, Missing, RequestError},
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
    let named = receipts.iter().find(|receipt| receipt.id == id).ok_or(RequestError::NotFound(Missing::Submission))?;
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
            let mut data = event_data(order, receipt, duplicates.get(&receipt.id).copied());
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
        let requested_by = caller.in_request(verdict.request_id);
        for what in what {
            locked.observe(what, &requested_by);
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

#[cfg(test)]
mod tests {
    use entities::{Amount, PaymentMethod, ReceiptMethod};
    use proptest::{collection::vec, option, prelude::*, sample::Index, sample::select};
    use rust_decimal::Decimal;

    use super::*;
    use crate::{orders::OrderStatus, samples};

    fn receipt(status: ReceiptStatus) -> payment_submission::Model {
        let order = samples::order();
        payment_submission::Model {
            id: SubmissionId::new(),
            order_id: order.id,
            node_id: order.node_id,
            payment_id: entities::PaymentId::new(),
            method: ReceiptMethod::PagoMovil,
            amount_reported: Amount(Decimal::TEN),
            amount_expected: order.total,
            reference: "0042".to_owned(),
            reference_key: "42".to_owned(),
            origin_bank: None,
            payer_name: None,
            receipt_url: None,
            status,
            rejection_reason: None,
            reported_at: now(),
            verified_at: None,
        }
    }

    fn verdict(submission_id: Option<SubmissionId>, confirmed: bool) -> ReceiptVerdict {
        ReceiptVerdict { order_id: OrderId::new(), submission_id, confirmed, reason: None, request_id: None }
    }

    proptest! {
        #[test]
        fn a_verdict_withdraws_when_with_it_no_confirmation_is_left(
            statuses in vec(select(ReceiptStatus::ALL), 1..6), named in option::of(any::<Index>()), confirmed: bool
        ) {
            let receipts: Vec<_> = statuses.into_iter().map(receipt).collect();
            let named = named.map(|index| index.get(&receipts).id);
            let change = Change::new(&receipts, choose(&receipts, &verdict(named, confirmed)).unwrap(), confirmed);
            let decided = |receipt: &payment_submission::Model| named.is_none_or(|id| id == receipt.id);
            let after = |receipt: &payment_submission::Model| match (decided(receipt), confirmed) {
                (true, true) => ReceiptStatus::Confirmed,
                (true, false) => ReceiptStatus::Rejected,
                (false, _) => receipt.status,
            };
            for receipt in &receipts {
                let changes = change.receipts.iter().any(|changed| changed.id == receipt.id);
                prop_assert_eq!(changes, after(receipt) != receipt.status);
            }
            let was = receipts.iter().any(|receipt| receipt.status == ReceiptStatus::Confirmed);
            let is = receipts.iter().any(|receipt| after(receipt) == ReceiptStatus::Confirmed);
            prop_assert_eq!(change.withdraws, was && !is);
        }
    }

    #[test]
    fn a_receipt_of_another_order_is_not_there() {
        let receipts = [receipt(ReceiptStatus::Reported)];
        let other = choose(&receipts, &verdict(Some(SubmissionId::new()), true));
        assert!(matches!(other, Err(RequestError::NotFound(Missing::Submission))), "{other:?}");
    }

    /// What becomes of a verdict that withdraws nothing.
    fn checked(status: PaymentStatus, confirmed: bool, paid_by_another: bool) -> Result<(), RequestError> {
        let payment = samples::payment(PaymentMethod::BankTransfer, status);
        let paid_by = paid_by_another.then(entities::PaymentId::new);
        let order = order::Model { payment_id: Some(payment.id), paid_by, ..samples::order() };
        let receipts = [receipt(ReceiptStatus::Reported)];
        Change::new(&receipts, receipts.iter().collect(), confirmed).check(&order, &payment)
    }

    #[test]
    fn money_that_is_found_is_never_refused_but_of_what_was_given_back() {
        use PaymentStatus::{Canceled, Canceling, Expired, Failed, Pending, Refunded};
        for status in PaymentStatus::ALL {
            let found = checked(*status, true, false);
            assert_eq!(found.is_ok(), !matches!(status, Pending | Canceling | Refunded), "{status}: {found:?}");
            let ended = matches!(status, Failed | Canceled | Expired);
            let missing = checked(*status, false, false);
            assert_eq!(missing.is_ok(), !matches!(status, Pending | Canceling) && !ended, "{status}: {missing:?}");
            let left_over = checked(*status, false, true);
            assert_eq!(left_over.is_ok(), !matches!(status, Pending | Canceling), "{status}: {left_over:?}");
        }
    }

    #[test]
    fn a_confirmation_stands_once_something_was_done_on_its_ground() {
        let receipts = [receipt(ReceiptStatus::Confirmed)];
        let withdrawn = |status, word: &str| {
            let payment = samples::payment(PaymentMethod::BankTransfer, status);
            let order = order::Model { status: word.to_owned(), ..samples::order() };
            let change = Change::new(&receipts, receipts.iter().collect(), false);
            assert!(change.withdraws);
            change.check(&order, &payment).map_err(|error| error.to_string())
        };
        assert_eq!(withdrawn(PaymentStatus::Paid, OrderStatus::Confirmed.word()), Ok(()));
        assert_eq!(withdrawn(PaymentStatus::NeedsReview, OrderStatus::UnderReview.word()), Ok(()));
        let refused = |status, word| withdrawn(status, word).unwrap_err();
        let shipped = "The order is SHIPPED already, so that its confirmation stands";
        assert_eq!(refused(PaymentStatus::Paid, "SHIPPED"), shipped);
        let released = "The payment was released already, so that its confirmation stands";
        assert_eq!(refused(PaymentStatus::Completed, "CONFIRMED"), released);
        assert_eq!(refused(PaymentStatus::Refunded, "REFUNDED"), "The order's payment is refunded");
    }
}
