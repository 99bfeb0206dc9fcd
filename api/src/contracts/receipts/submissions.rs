//! Receipts: as payers report them, and the verdicts of the back office.

use entities::{ReceiptMethod, ReceiptStatus, SubmissionId, payment_submission};
use payments::{
    RequestedBy,
    orders::check_bolivares,
    receipts::{self, NewReceipt, ReceiptVerdict},
    uploads,
};
use poem_openapi::{Enum, Object, OpenApi, payload::Json, types::Example};
use sea_orm::prelude::Decimal;
use uuid::Uuid;

use super::{Declined, Tag, manage::ReceiptsManage, orders::order_id};
use crate::{
    access::{Allowed, Visitor},
    body::Body,
    edge::{Class, RequestId},
    idempotent::Once,
    money::{ExactInput, Money, MoneyInput},
    problem::{Problem, Wrong},
    state::State,
    time::Time,
    web_url,
};

/// The order of the document's examples.
const EXAMPLE_ORDER: &str = "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a41";

/// How the customer transferred the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "ReceiptMethod", rename_all = "SCREAMING_SNAKE_CASE", remote = "ReceiptMethod")]
pub(crate) enum Method {
    /// From phone to phone.
    PagoMovil,
    /// From account to account.
    Transferencia,
}

/// What became of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "ReceiptStatus", rename_all = "SCREAMING_SNAKE_CASE", remote = "ReceiptStatus")]
pub(crate) enum Status {
    /// Nobody has decided yet.
    Reported,
    /// The money is there.
    Confirmed,
    /// It is not.
    Rejected,
}

/// What the back office decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "ReceiptVerdict", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    /// The money is there.
    Confirmed,
    /// It is not, or not all of it.
    Rejected,
}

/// A receipt that a customer reports.
#[derive(Object)]
#[oai(rename_all = "camelCase", example)]
pub(crate) struct Report {
    /// The order that was paid; for a bank transfer that a program asked for, the payment's id.
    #[oai(validator(min_length = 1, max_length = 255))]
    order_id: String,
    method: Method,
    /// In bolívares.
    amount_reported: MoneyInput,
    /// The bank's number of the transfer.
    #[oai(validator(min_length = 1, max_length = 255))]
    reference: String,
    /// The bank that the money came from.
    #[oai(validator(max_length = 255))]
    origin_bank: Option<String>,
    /// Who paid.
    #[oai(validator(max_length = 255))]
    payer_name: Option<String>,
    /// Where the picture of the receipt is: what `/api/upload` has answered, or an http or https URL.
    #[oai(validator(max_length = 2048))]
    receipt_url: Option<String>,
}

impl Example for Report {
    fn example() -> Self {
        Self {
            order_id: EXAMPLE_ORDER.to_owned(),
            method: Method::PagoMovil,
            amount_reported: ExactInput(Decimal::new(93_075, 2)),
            reference: "004211".to_owned(),
            origin_bank: Some("Banesco".to_owned()),
            payer_name: Some("Ada Lovelace".to_owned()),
            receipt_url: None,
        }
    }
}

/// A receipt that was taken in.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Reported {
    /// Always true.
    success: bool,
    /// The receipt's id.
    submission_id: Uuid,
}

/// What the back office says of an order's receipts.
#[derive(Object)]
#[oai(rename_all = "camelCase", example)]
pub(crate) struct Decision {
    /// The order.
    #[oai(validator(min_length = 1, max_length = 255))]
    order_id: String,
    /// One of its receipts; all of them, when it is left out, null or empty.
    #[oai(validator(max_length = 255))]
    submission_id: Option<String>,
    status: Verdict,
    /// Why it was rejected.
    #[oai(validator(max_length = 2000))]
    rejection_reason: Option<String>,
}

impl Example for Decision {
    fn example() -> Self {
        let (order_id, status) = (EXAMPLE_ORDER.to_owned(), Verdict::Confirmed);
        Self { order_id, submission_id: None, status, rejection_reason: None }
    }
}

/// It was done.
#[derive(Object)]
pub(crate) struct Done {
    /// Always true.
    pub(super) success: bool,
}

/// A receipt that was reported.
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Submission {
    id: Uuid,
    order_id: Uuid,
    method: Method,
    status: Status,
    /// In bolívares, as the payer says.
    amount_reported: Money,
    /// The same as text.
    amount_reported_text: String,
    /// The order's total.
    amount_expected: Money,
    /// The same as text.
    amount_expected_text: String,
    reference: String,
    /// Another receipt that names the same number of a bank, of this order or of another one: a confirmed one, or else one
    /// that came before. One transfer pays one order.
    duplicate_of: Option<Uuid>,
    origin_bank: Option<String>,
    payer_name: Option<String>,
    receipt_url: Option<String>,
    /// Why it was rejected; null unless it was.
    rejection_reason: Option<String>,
    reported_at: Time,
    /// When it was confirmed; null unless it was.
    verified_at: Option<Time>,
}

impl Submission {
    pub(super) fn new(row: payment_submission::Model, duplicate_of: Option<SubmissionId>) -> Self {
        Self {
            id: row.id.0,
            order_id: row.order_id.0,
            method: row.method.into(),
            status: row.status.into(),
            amount_reported: row.amount_reported.into(),
            amount_reported_text: Money::from(row.amount_reported).text(),
            amount_expected: row.amount_expected.into(),
            amount_expected_text: Money::from(row.amount_expected).text(),
            reference: row.reference,
            duplicate_of: duplicate_of.map(|id| id.0),
            origin_bank: row.origin_bank,
            payer_name: row.payer_name,
            receipt_url: row.receipt_url,
            rejection_reason: row.rejection_reason,
            reported_at: row.reported_at.into(),
            verified_at: row.verified_at.map(Time),
        }
    }
}

pub(crate) struct Submissions(pub(crate) State);

#[OpenApi(prefix_path = "/api/payments", tag = "Tag::Receipts")]
impl Submissions {
    /// Report a receipt
    ///
    /// Anybody may. The order becomes REPORTED and its payment `submitted`, in one transaction with the receipt. A report
    /// that waits for a verdict already, word for word, is that one and not another. 404 when the order does not exist; 409
    /// when it is confirmed already, or its payment has ended another way.
    #[oai(path = "/", method = "post", operation_id = "report_receipt")]
    async fn report(
        &self,
        visitor: Visitor,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<Report, true>,
    ) -> Result<Json<Reported>, Declined<404, 409, 422>> {
        let report = body.value;
        let amount_reported = report.check()?;
        visitor.spend(&self.0, "order", &report.order_id, Class::Write)?;
        let reported = once.create(&visitor, &body.canonical, async |tx| {
            if let Some(url) = &report.receipt_url {
                uploads::named(tx, url).await?;
            }
            let new = NewReceipt {
                order_id: order_id(&report.order_id)?,
                method: report.method.into(),
                amount_reported,
                reference: report.reference,
                origin_bank: report.origin_bank,
                payer_name: report.payer_name,
                receipt_url: report.receipt_url,
                requested_by: RequestedBy { actor: visitor.actor(), request_id: Some(request_id.to_string()) },
            };
            Ok(Reported { success: true, submission_id: receipts::report(tx, new).await?.0 })
        });
        Ok(Json(reported.await?))
    }

    /// Decide on receipts
    ///
    /// CONFIRMED makes the order CONFIRMED and its payment `paid`; REJECTED makes them REJECTED and `rejected`, after
    /// which the customer may report another receipt. Without `submissionId` it is about every receipt of the order.
    /// Saying the same again changes nothing, and the other way corrects it: rejected receipts can be confirmed, and the
    /// last confirmed one can be rejected until its payment is released or given back, or the order is fulfilled. 404
    /// when there is no such order, or the receipt is not the order's; 409 when it can no longer be corrected, or nothing
    /// was reported.
    #[oai(path = "/", method = "put", operation_id = "decide_receipts")]
    async fn decide(
        &self,
        caller: Allowed<ReceiptsManage>,
        request_id: RequestId,
        body: Body<Decision, true>,
    ) -> Result<Json<Done>, Declined<404, 409>> {
        let decision = body.value;
        let named = decision.submission_id.as_deref().filter(|named| !named.is_empty());
        let submission_id = named.map(submission_id).transpose();
        let order_id = order_id(&decision.order_id)?;
        let verdict = ReceiptVerdict {
            order_id,
            submission_id: submission_id?,
            confirmed: decision.status == Verdict::Confirmed,
            reason: decision.rejection_reason,
            request_id: Some(request_id.to_string()),
        };
        let mut tx = self.0.db().begin().await?;
        receipts::decide(&mut tx, &caller, verdict).await?;
        tx.commit().await?;
        Ok(Json(Done { success: true }))
    }
}

impl Report {
    /// Checks what no schema can say and needs no look-up; returns the amount.
    fn check(&self) -> Result<Decimal, Problem> {
        let amount = check_bolivares("amountReported", self.amount_reported.0)?;
        if self.reference.trim().is_empty() {
            return Err(Problem::invalid("/reference", Wrong::Empty));
        }
        // The back office opens it: a link must not be able to run anything there.
        let link =
            |url: &str| url.is_empty() || web_url::is_http(url) || (url.starts_with('/') && !url.starts_with("//"));
        if self.receipt_url.as_deref().is_some_and(|url| !link(url)) {
            let rule = Wrong::Rule("must be an http or https URL, or a path of this server");
            return Err(Problem::invalid("/receiptUrl", rule));
        }
        Ok(amount)
    }
}

fn submission_id(text: &str) -> Result<SubmissionId, Problem> {
    text.parse().map_err(|_| Problem::not_found("Submission"))
}
