//! Receipts of bank transfers: as payers report them, and the verdicts of whoever looks at the bank. Both move the order's
//! payment; the order's row is the lock under which they are decided.

mod duplicates;
mod verdicts;

pub use self::{
    duplicates::of_order as duplicates_of,
    verdicts::{ReceiptVerdict, decide},
};

use chrono::TimeDelta;
use entities::{
    Amount, OrderId, PaymentId, PaymentMethod, PaymentStatus, ReceiptMethod, ReceiptStatus, SubmissionId, network, now,
    order, payment, payment_submission,
};
use queue::Transaction;
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use crate::{
    caller::RequestedBy,
    debt::lock_order,
    lock::Locked,
    observation::{Observation, Outcome},
    off_chain::{self, OffChain},
    orders,
    record::observe,
    request_error::{Conflict, Missing, RequestError},
};

/// How long the bank payment of an order may be paid. It is reported in the moment that it comes to be, so that this only
/// counts when an operator's verdict opens it again.
const PAYABLE_FOR: TimeDelta = TimeDelta::days(30);

/// Receipts of an order that nobody has decided yet, at most: anybody may report one, and somebody has to look at each.
const UNDECIDED_MAX: usize = 20;

/// A receipt that somebody reports.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `receipts.md`")]
pub struct NewReceipt {
    pub order_id: OrderId,
    pub method: ReceiptMethod,
    pub amount_reported: Decimal,
    pub reference: String,
    pub origin_bank: Option<String>,
    pub payer_name: Option<String>,
    pub receipt_url: Option<String>,
    pub requested_by: RequestedBy,
}

/// Takes a receipt in. The payment becomes `submitted`, and with it the order `REPORTED`. The very report that waits for a
/// verdict already is that one: a form was sent twice.
///
/// # Errors
/// [`RequestError::Conflict`] when the order is paid already on whatever rail, its payment has ended another way, or too
/// many receipts wait for a verdict.
pub async fn report(tx: &mut Transaction, new: NewReceipt) -> Result<SubmissionId, RequestError> {
    let order = open_order(tx, new.order_id).await?;
    let payment_id = match order.payment_id {
        Some(id) => id,
        None => create_payment(tx, &order, &new).await?,
    };
    let mut locked = Locked::known(tx, payment_id).await?;
    let status = locked.payment().status;
    if !matches!(status, PaymentStatus::Open | PaymentStatus::Submitted | PaymentStatus::Rejected) {
        return Err(refused(status));
    }
    let undecided = undecided(tx, order.id).await?;
    if let Some(same) = undecided.iter().find(|receipt| new.says_what(receipt)) {
        return Ok(same.id);
    }
    if undecided.len() >= UNDECIDED_MAX {
        return Err(Conflict::Undecided(UNDECIDED_MAX).into());
    }
    let submission = new.row(&order, payment_id);
    payment_submission::Entity::insert(submission.clone().into_active_model()).exec_without_returning(&**tx).await?;
    let duplicate_of = duplicates::of_order(&**tx, order.id).await?.remove(&submission.id);
    let mut data = event_data(&order, &submission, duplicate_of);
    data["amount_reported"] = number(submission.amount_reported);
    data["reference"] = json!(submission.reference);
    locked.observe(Observation::ReceiptReported { data }, &new.requested_by);
    locked.save(tx).await?;
    Ok(submission.id)
}

impl NewReceipt {
    fn row(&self, order: &order::Model, payment_id: PaymentId) -> payment_submission::Model {
        payment_submission::Model {
            id: SubmissionId::new(),
            order_id: order.id,
            node_id: order.node_id,
            payment_id,
            method: self.method,
            amount_reported: Amount(self.amount_reported),
            amount_expected: order.total,
            reference: self.reference.clone(),
            reference_key: duplicates::key(&self.reference),
            origin_bank: self.origin_bank.clone(),
            payer_name: self.payer_name.clone(),
            receipt_url: self.receipt_url.clone(),
            status: ReceiptStatus::Reported,
            rejection_reason: None,
            reported_at: now(),
            verified_at: None,
        }
    }

    /// Whether it says what that receipt of the same order says. Another picture is another receipt: the first may have
    /// been the wrong one.
    fn says_what(&self, receipt: &payment_submission::Model) -> bool {
        let amount_reported = Amount(self.amount_reported);
        (self.method, amount_reported, &self.reference) == (receipt.method, receipt.amount_reported, &receipt.reference)
            && (&self.origin_bank, &self.payer_name, &self.receipt_url)
                == (&receipt.origin_bank, &receipt.payer_name, &receipt.receipt_url)
    }
}

/// The order, locked; refused unless it may still be paid.
async fn open_order(tx: &Transaction, id: OrderId) -> Result<order::Model, RequestError> {
    match lock_order(tx, id).await {
        Ok((order, None)) => Ok(order),
        Ok((_, Some(closed))) => Err(Conflict::Closed(closed).into()),
        Err(DbErr::RecordNotFound(_)) => Err(RequestError::NotFound(Missing::Order)),
        Err(error) => Err(error.into()),
    }
}

/// The order's receipts that nobody has decided yet; somebody has to keep up with them, so that they are few.
async fn undecided(tx: &Transaction, id: OrderId) -> Result<Vec<payment_submission::Model>, DbErr> {
    use payment_submission::Column as C;
    let of_order = payment_submission::Entity::find().filter(C::OrderId.eq(id));
    of_order.filter(C::Status.eq(ReceiptStatus::Reported)).order_by_asc(C::Id).all(&**tx).await
}

fn refused(status: PaymentStatus) -> RequestError {
    let conflict = match status {
        PaymentStatus::Paid | PaymentStatus::Completed => Conflict::Confirmed,
        other => Conflict::Transfer(other),
    };
    conflict.into()
}

/// The receipts of an order, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn receipts_of<C: ConnectionTrait>(
    db: &C,
    order_id: OrderId,
) -> Result<Vec<payment_submission::Model>, DbErr> {
    payment_submission::Entity::find()
        .filter(payment_submission::Column::OrderId.eq(order_id))
        .order_by_asc(payment_submission::Column::Id)
        .all(db)
        .await
}

/// The order's bank payment, made when its first receipt is reported. Of several first receipts at once one makes it: the
/// others wait at the unique index for that one's commit.
async fn create_payment(tx: &mut Transaction, order: &order::Model, new: &NewReceipt) -> Result<PaymentId, DbErr> {
    let row = payment_of(order, &off_chain::network(&**tx).await?);
    let (id, external_id) = (row.id, row.external_id.clone());
    if !off_chain::insert(tx, row, &new.requested_by).await? {
        return off_chain::known(tx, order.node_id, external_id).await;
    }
    order::Entity::update_many()
        .col_expr(order::Column::PaymentId, Expr::value(id))
        .filter(order::Column::Id.eq(order.id))
        .exec(&**tx)
        .await?;
    let (outcome, _) = observe(tx, id, Observation::TransferAccepted, &new.requested_by).await?;
    debug_assert_eq!(outcome, Outcome::Moved(PaymentStatus::Open));
    Ok(id)
}

fn payment_of(order: &order::Model, network: &network::Model) -> payment::Model {
    let transfer = OffChain {
        node_id: order.node_id,
        // An order has one payment for each rail that was tried; this one's own.
        external_id: format!("{}/bank_transfer", order.order_number),
        currency_id: order.currency_id,
        amount: order.total,
        payment_method: PaymentMethod::BankTransfer,
        payment_address: order.order_number.clone(),
    };
    let row = off_chain::row(transfer, network);
    let (order_id, metadata) = (Some(order.id), Some(orders::metadata(order)));
    payment::Model { order_id, metadata, expires_at: row.created_at + PAYABLE_FOR, ..row }
}

/// What the events of a receipt say of it.
fn event_data(order: &order::Model, receipt: &payment_submission::Model, duplicate_of: Option<SubmissionId>) -> Value {
    let mut data = json!({ "order_id": order.id, "order_number": order.order_number, "submission_id": receipt.id });
    if let Some(other) = duplicate_of {
        data["duplicate_submission_id"] = json!(other);
    }
    data
}

/// A JSON number with every digit.
fn number(amount: Amount) -> Value {
    amount.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, samples};

    fn reported() -> NewReceipt {
        NewReceipt {
            order_id: OrderId::new(),
            method: ReceiptMethod::PagoMovil,
            amount_reported: Decimal::new(105, 1),
            reference: "0042".to_owned(),
            origin_bank: Some("0102".to_owned()),
            payer_name: None,
            receipt_url: None,
            requested_by: Actor::payer().into(),
        }
    }

    #[test]
    fn a_report_is_the_same_only_if_it_says_the_same_in_everything() {
        let receipt = reported().row(&samples::order(), PaymentId::new());
        assert!(reported().says_what(&receipt));
        let written = NewReceipt { amount_reported: Decimal::new(10_500, 3), ..reported() };
        assert!(written.says_what(&receipt), "zeros at the end say nothing");
        for other in [
            NewReceipt { method: ReceiptMethod::Transferencia, ..reported() },
            NewReceipt { amount_reported: Decimal::new(106, 1), ..reported() },
            NewReceipt { reference: "42".to_owned(), ..reported() },
            NewReceipt { origin_bank: None, ..reported() },
            NewReceipt { payer_name: Some("Ana".to_owned()), ..reported() },
            NewReceipt { receipt_url: Some("https://pay.example/uploads/a".to_owned()), ..reported() },
        ] {
            assert!(!other.says_what(&receipt), "{other:?}");
        }
    }

    #[test]
    fn a_receipt_keeps_what_the_order_costs_and_waits_for_a_verdict() {
        let (order, payment_id) = (samples::order(), PaymentId::new());
        let receipt = reported().row(&order, payment_id);
        assert_eq!(
            (receipt.amount_expected, receipt.order_id, receipt.node_id),
            (order.total, order.id, order.node_id)
        );
        assert_eq!(
            (receipt.payment_id, receipt.status, receipt.verified_at),
            (payment_id, ReceiptStatus::Reported, None)
        );
        assert_eq!((receipt.reference.as_str(), receipt.reference_key.as_str()), ("0042", "42"));
    }

    #[test]
    fn what_is_paid_already_is_distinguished_from_what_takes_no_receipt() {
        let refusal = |status| refused(status).to_string();
        assert_eq!(refusal(PaymentStatus::Paid), "The order is confirmed already");
        assert_eq!(refusal(PaymentStatus::Completed), "The order is confirmed already");
        assert_eq!(refusal(PaymentStatus::Expired), "The order's payment is expired");
    }

    #[test]
    fn an_amount_is_written_with_every_digit() {
        assert_eq!(number(Amount("21000000000000.01".parse().unwrap())).to_string(), "21000000000000.01");
    }
}
