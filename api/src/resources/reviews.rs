//! Payments whose outcome an operator has to decide.

use entities::{PaymentId, PaymentStatus, payment, payment_log};
use payments::{
    listing::Listing,
    rail::Shown as RailShown,
    reviews,
    verdict::{self, VerdictError},
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use sea_orm::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::{
    Tag,
    payments::{LogEntry, Payment, Status},
};
use crate::{
    access::{Allowed, Operations},
    audit,
    body::Body,
    edge::RequestId,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Problem, Refused},
    reach,
    state::State,
    time::Time,
};

/// What the payment's rail is known to show.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "Shown", rename_all = "snake_case", remote = "RailShown")]
pub(crate) enum Shown {
    /// Nothing of it was ever seen with finality, or all that was seen is gone.
    Nothing,
    /// Its deal is open, and nobody has paid.
    DealOpen,
    /// A deposit is in a block that is not final yet.
    DepositSeen,
    /// A deposit is final, and the deal holds it.
    DepositFinal,
    /// The payee has the deposit.
    Released,
    /// The deal is closed, and the payer has the deposit back.
    Returned,
    /// The deal is closed, and its contract keeps the deposit for the payer, whose account refused it.
    ReturnHeld,
    /// The deal is closed, and nobody had paid.
    Closed,
}

/// A verdict that can be given.
#[derive(Clone, Debug, Object)]
pub(crate) struct PossibleVerdict {
    /// What the payment becomes: the `as` of the verdict.
    #[oai(rename = "as")]
    to: Status,
    /// What that means and what follows.
    means: String,
}

/// What an operator needs to know to decide.
#[derive(Clone, Debug, Object)]
pub(crate) struct Review {
    payment_id: Uuid,
    external_id: String,
    node_id: Uuid,
    status: Status,
    /// When it came into this status.
    since: Time,
    /// The status before; null when this is its first.
    before: Option<Status>,
    /// The transition that led to this status. For `needs_review` its data are the evidence: what was seen or lost, or
    /// every attempt with the answers of each provider.
    cause: Option<LogEntry>,
    /// What has been noted since, newest first, 100 rows at most; the payment's log has all.
    noted: Vec<LogEntry>,
    /// What its rail is known to show.
    shown: Shown,
    /// The same as a sentence.
    shown_text: String,
    /// What had been final on the rail and was lost, until it is seen again; null when nothing is missing.
    lost: Option<String>,
    /// The verdicts that this allows; none unless the payment is in `needs_review`.
    verdicts: Vec<PossibleVerdict>,
}

impl From<verdict::Review> for Review {
    fn from(review: verdict::Review) -> Self {
        let shown = review.rail.shown();
        let since = review.cause.as_ref().map_or(review.payment.created_at, |row: &payment_log::Model| row.created_at);
        let before = review.cause.as_ref().and_then(|row| serde_json::from_value(row.data["from"].clone()).ok());
        Self {
            payment_id: review.payment.id.0,
            external_id: review.payment.external_id,
            node_id: review.payment.node_id.0,
            status: review.payment.status.into(),
            since: since.into(),
            before: before.map(|before: PaymentStatus| before.into()),
            cause: review.cause.map(LogEntry::from),
            noted: review.noted.into_iter().map(LogEntry::from).collect(),
            shown: shown.into(),
            shown_text: shown.sentence().to_owned(),
            lost: review.rail.lost().map(|lost| lost.word().to_owned()),
            verdicts: review
                .allowed
                .into_iter()
                .map(|rule| PossibleVerdict { to: rule.to.into(), means: rule.means.to_owned() })
                .collect(),
        }
    }
}

/// A verdict on a payment in review.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Verdict {
    /// What the payment becomes; its review lists what the evidence allows.
    #[oai(rename = "as")]
    to: Status,
    /// Why, for whoever reads the payment's log and the audit log later.
    #[oai(validator(min_length = 3, max_length = 1000))]
    reason: String,
}

impl Example for Verdict {
    fn example() -> Self {
        Self {
            to: Status::Open,
            reason: "The deal is on the explorer, block 1042, and the shop still wants it".to_owned(),
        }
    }
}

impl From<VerdictError> for Problem {
    fn from(error: VerdictError) -> Self {
        match error {
            VerdictError::Denied(payments::Denied::NotFound) => Self::not_found("Payment"),
            VerdictError::Denied(denied) => denied.into(),
            VerdictError::NotInReview(_) | VerdictError::NotAllowed { .. } => Self::conflict(error.to_string()),
        }
    }
}

pub(crate) struct Reviews(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/operations/payments", tag = "Tag::Reviews")]
impl Reviews {
    /// List payments for operators
    ///
    /// Those in `needs_review` unless another status is named, of all nodes in the caller's reach, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_operations_payments")]
    async fn list(
        &self,
        caller: Allowed<Operations>,
        /// Only those of this node and of the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// Only those in this status.
        #[oai(default = "needs_review")]
        status: Query<Status>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Payment>>, Refused<404>> {
        let db = self.0.db();
        let payments = match node_id.0 {
            Some(id) => Listing::of_subtree(&reach::node(&**db, &caller, id).await?.path),
            None => Listing::within(&caller),
        };
        let status = match PaymentStatus::from(status.0) {
            // As a literal: the databases use the index on these few rows only where the query names its condition.
            PaymentStatus::NeedsReview => Expr::cust("\"payments\".\"status\" = 'needs_review'"),
            other => payment::Column::Status.eq(other),
        };
        let payments = payments.filter(status);
        Ok(Json(paging::read_listing(db, &payments, page.0, per_page.0, |payment| Payment::new(payment, None)).await?))
    }

    /// Read what a verdict stands on
    ///
    /// Why the payment is in its status, what has been noted since, what its rail is known to show, and the verdicts that
    /// this allows.
    #[oai(path = "/:id/review", method = "get", operation_id = "get_payment_review")]
    async fn review(
        &self,
        caller: Allowed<Operations>,
        /// The payment.
        id: Path<Uuid>,
    ) -> Result<Json<Review>, Refused<404>> {
        let review = verdict::review(self.0.db(), &caller, PaymentId(id.0)).await.map_err(VerdictError::Denied)?;
        Ok(Json(review.into()))
    }

    /// Give a verdict on a payment in review
    ///
    /// Moves it out of `needs_review` to a status that the evidence allows; what that status needs (sending again,
    /// closing the deal, an expiry) then happens by itself. Giving the same verdict again changes nothing. 409 when the
    /// evidence does not allow it (the detail names what it allows), or when the payment waits for no verdict.
    #[oai(path = "/:id/resolve", method = "post", operation_id = "resolve_payment")]
    async fn resolve(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The payment.
        id: Path<Uuid>,
        /// Makes a repetition safe; it is so without one, too.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<Verdict>,
    ) -> Result<Json<Payment>, Refused<404, 409, 422>> {
        let (id, to, reason) = (PaymentId(id.0), PaymentStatus::from(body.value.to), &body.value.reason);
        let payment = once.create(&caller, &body.canonical, async |tx| {
            let resolved = reviews::resolve(tx, &caller, id, to, reason, Some(request_id.as_str())).await?;
            if let Some(shown) = resolved.by {
                let data = json!({ "as": to, "reason": reason, "shown": shown, "request_id": request_id.as_str() });
                audit::record(tx, &caller, "payment.resolve", ("payment", id), data).await?;
            }
            Ok(Payment::new(resolved.payment, None))
        });
        Ok(Json(payment.await?))
    }
}

fn needs_review() -> Status {
    Status::NeedsReview
}
