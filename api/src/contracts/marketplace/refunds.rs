//! Giving card payments back.

use entities::{RefundStatus, refund};
use payments::refunds::{self, NewRefund};
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};

use super::{Declined, Tag, manage::MarketplaceManage, processor};
use crate::{access::Allowed, body::Form, edge::RequestId, idempotent::Once, state::State};

/// What is to be given back.
#[derive(Object)]
#[oai(rename = "RefundRequest", example)]
pub(crate) struct RefundRequest {
    /// The order's number.
    order_id: i64,
    /// In cents; all that is left, without one.
    #[oai(validator(minimum(value = "1")))]
    amount_cents: Option<i64>,
    /// For the processor's record.
    #[oai(validator(max_length = 500))]
    reason: Option<String>,
}

impl Example for RefundRequest {
    fn example() -> Self {
        Self { order_id: 1042, amount_cents: Some(500), reason: Some("One plate was broken".to_owned()) }
    }
}

/// A refund as it stands.
#[derive(Object)]
#[oai(rename = "OrderRefund")]
pub(crate) struct Refunded {
    refund_id: String,
    /// The order's number.
    order_id: i64,
    /// In cents.
    amount_cents: i64,
    /// `pending`, `succeeded` or `failed`; `refund.succeeded` and `refund.failed` tell its end.
    status: String,
    reason: Option<String>,
}

impl Refunded {
    fn of(refund: refund::Model, order_id: i64) -> Self {
        let status = match refund.status {
            RefundStatus::Asked | RefundStatus::Sent => "pending",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
        };
        let (refund_id, amount_cents) = (refund.id.to_string(), refund.amount);
        Self { refund_id, order_id, amount_cents, status: status.to_owned(), reason: refund.reason }
    }
}

pub(crate) struct Refunds(pub(crate) State);

#[OpenApi(prefix_path = "/api/payments", tag = "Tag::Marketplace")]
impl Refunds {
    /// Refund an order
    ///
    /// Its card payment, or a part of it; the platform's fee goes back in proportion. Parts add up and never exceed what was
    /// captured, however many are asked for at once: 409. 404 when there is no such order, 409 when it is not paid by card.
    #[oai(path = "/refund", method = "post", operation_id = "create_refund")]
    async fn create(
        &self,
        caller: Allowed<MarketplaceManage>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Form<RefundRequest>,
    ) -> Result<Json<Refunded>, Declined<404, 409>> {
        processor(&self.0)?;
        let RefundRequest { order_id, amount_cents: amount, reason } = body.value;
        let refunded = once.create(&caller, &body.canonical, async |tx| {
            let new = NewRefund { order_id, amount, reason, request_id: Some(request_id.to_string()) };
            let refund = refunds::request(tx, &caller, new).await?;
            fail::fail_point!("refund.before_commit");
            Ok(Refunded::of(refund, order_id))
        });
        Ok(Json(refunded.await?))
    }
}
