//! Payments, and what may be asked of them.

pub(crate) mod create;
mod item;
mod list;
mod logs;
mod response;

use entities::PaymentId;
use payments::{Caller, commands, commands::CommandError, reach::find_payment};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use uuid::Uuid;

use self::{
    create::NewPayment,
    list::{Filter, PaymentPage},
};
pub(crate) use self::{
    logs::{Actor, LogEntry},
    response::{Failure, Group, Method, Payment, ReturnHeld, Status},
};
use super::Tag;
use crate::{
    access::{Allowed, PaymentsCancel, PaymentsCreate, PaymentsRead},
    body::{Body, NoBody},
    edge::RequestId,
    idempotent::Once,
    paging::{Page, Paged, PerPage},
    problem::{Code, Problem, Refused},
    query_text::QueryText,
    response::{Accepted, AcceptedBody, Created},
    state::State,
    time::Time,
};

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Denied(payments::Denied::NotFound) => Self::not_found("Payment"),
            CommandError::Denied(denied) => denied.into(),
            CommandError::Conflict(..) => Self::conflict(error.to_string()),
            CommandError::NotEligible => Self::new(Code::NotEligible),
        }
    }
}

pub(crate) struct Payments(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/payments", tag = "Tag::Payments")]
impl Payments {
    /// Create a payment
    ///
    /// The answer is sent when the payment, its log and the message that opens its deal are durable together. 404 when
    /// the node, network, wallet, member or currency does not exist; 403 when the node is out of reach; 409 when the
    /// node has a payment with this external id, whose id is then in `payment_id`.
    #[oai(path = "/", method = "post", operation_id = "create_payment")]
    async fn create(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewPayment, true>,
    ) -> Result<Created<Payment>, Refused<404, 409, 422>> {
        let new = body.value.into_core(&self.0.config().deals, &request_id)?;
        let payment = create::accept(&self.0, &once, &caller, &body.canonical, new).await?;
        let path = format!("/api/v1/payments/{}", payment.id);
        Ok(Created::at(path, payment.with_token(self.0.access_tokens())))
    }

    /// List payments
    ///
    /// Those of a node and of the nodes below it, newest first. For going deep pass `next_cursor` back as `cursor`: its
    /// cost does not grow with the depth, that of `page` does. `total` stops counting at 10,000.
    #[oai(path = "/", method = "get", operation_id = "list_payments")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the contract")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The node.
        node_id: Query<Uuid>,
        /// Only those of this wallet.
        wallet_id: Query<Option<Uuid>>,
        /// Only those on this network.
        network_id: Query<Option<Uuid>>,
        /// Only those in this status.
        status: Query<Option<Status>>,
        /// Only those paid this way.
        payment_method: Query<Option<Method>>,
        /// Only those with this external id.
        external_id: Query<Option<QueryText>>,
        /// Only those created at this time or later.
        created_from: Query<Option<Time>>,
        /// Only those created before this time.
        created_to: Query<Option<Time>>,
        /// `next_cursor` of the page before; `page` is then ignored.
        cursor: Query<Option<QueryText>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<PaymentPage>, Refused<404>> {
        let filter = Filter {
            node_id: node_id.0,
            wallet_id: wallet_id.0,
            network_id: network_id.0,
            status: status.0,
            payment_method: payment_method.0,
            external_id: external_id.0,
            created_from: created_from.0.map(|time| time.0),
            created_to: created_to.0.map(|time| time.0),
            cursor: cursor.0,
        };
        Ok(Json(list::read(self.0.db(), &caller, filter, page.0, per_page.0).await?))
    }

    /// Get a payment
    ///
    /// With its access token, as long as that is valid. 404 when it does not exist, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_payment")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The payment.
        id: Path<Uuid>,
    ) -> Result<Json<Payment>, Refused<404>> {
        let payment = self.find(&caller, id.0).await?;
        Ok(Json(payment.with_token(self.0.access_tokens())))
    }

    /// Cancel a payment
    ///
    /// A worker closes the deal on chain and the payment becomes `canceled` when that is final; a payment that nothing
    /// was sent for is canceled at once. A payment that is `paid` becomes `refunded`: its deposit goes back. Repeating
    /// it changes nothing. 409 when the payment is `completed`, `expired`, `failed` or `rejected`.
    #[oai(path = "/:id/cancel", method = "post", operation_id = "cancel_payment")]
    async fn cancel(
        &self,
        caller: Allowed<PaymentsCancel>,
        request_id: RequestId,
        /// The payment.
        id: Path<Uuid>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        _body: NoBody,
    ) -> Result<Accepted, Refused<404, 409, 422>> {
        let (db, id, request_id) = (self.0.db(), PaymentId(id.0), Some(request_id.as_str()));
        let accepted = once.command(&caller, "", async {
            commands::cancel(db, &caller, id, request_id).await?;
            Ok(AcceptedBody::new())
        });
        Ok(Accepted::Accepted(Json(accepted.await?)))
    }

    /// Release a payment
    ///
    /// Hands the deposit of a `paid` payment to the payee; it becomes `completed` when that is final on chain. Repeating
    /// it changes nothing. 409 when the payment is not paid.
    #[oai(path = "/:id/release", method = "post", operation_id = "release_payment")]
    async fn release(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// The payment.
        id: Path<Uuid>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        _body: NoBody,
    ) -> Result<Accepted, Refused<404, 409, 422>> {
        let (db, id, request_id) = (self.0.db(), PaymentId(id.0), Some(request_id.as_str()));
        let accepted = once.command(&caller, "", async {
            commands::release(db, &caller, id, request_id).await?;
            Ok(AcceptedBody::new())
        });
        Ok(Accepted::Accepted(Json(accepted.await?)))
    }

    /// Send a payment again
    ///
    /// Hands a web3 payment that has not reached the chain to the worker once more. There is never more than one deal a
    /// payment, so pressing twice is safe. 400 unless the payment is web3, `pending` or `failed` before any deal, and
    /// has not expired.
    #[oai(path = "/:id/retry-send", method = "post", operation_id = "retry_send_payment")]
    async fn retry_send(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// The payment.
        id: Path<Uuid>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        _body: NoBody,
    ) -> Result<Json<Payment>, Refused<404, 409, 422>> {
        let payment = once.command(&caller, "", async {
            commands::retry_send(self.0.db(), &caller, PaymentId(id.0), Some(request_id.as_str())).await?;
            self.find(&caller, id.0).await
        });
        Ok(Json(payment.await?.with_token(self.0.access_tokens())))
    }

    /// Read a payment's log
    ///
    /// Its whole life, newest first: every transition, attempt, receipt, delivery and act.
    #[oai(path = "/:id/logs", method = "get", operation_id = "list_payment_logs")]
    async fn logs(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The payment.
        id: Path<Uuid>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<LogEntry>>, Refused<404>> {
        let payment = self.find(&caller, id.0).await?;
        Ok(Json(logs::read(self.0.db(), payment.id, page.0, per_page.0).await?))
    }
}

impl Payments {
    /// The payment, if it exists and its node is in reach; without its access token.
    async fn find(&self, caller: &Caller, id: Uuid) -> Result<Payment, Problem> {
        let db = &**self.0.db();
        let payment = find_payment(db, caller, PaymentId(id)).await.map_err(CommandError::Denied)?;
        let members = response::members(db, std::slice::from_ref(&payment)).await?;
        let member = payment.member_id.and_then(|id| members.get(&id).cloned());
        Ok(Payment::new(payment, member))
    }
}
