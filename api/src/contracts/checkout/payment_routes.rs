//! Payments as shops ask for them, look at them and take them back.

use entities::PaymentId;
use payments::checkout::{self, Checkout};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};

use super::{
    Tag,
    list::{Attributes, CheckoutList, ListQuery},
    request::CheckoutRequest,
    response::{CheckoutPayment, CheckoutResponse},
    submit::{SubmitRequest, choice, submitted},
};
use crate::{
    access::{Allowed, PaymentsCancel, PaymentsCreate, PaymentsRead},
    body::{Body, NoBody, OptionalBody},
    edge::RequestId,
    idempotent::Once,
    paging::{COUNT_MAX, DEPTH_MAX, Offset, PageLimit, within_depth},
    problem::{Problem, Refused},
    response::Created,
    state::State,
};

pub(crate) struct PaymentRoutes(pub(crate) State);

#[OpenApi(prefix_path = "/v1/payments", tag = "Tag::Checkout")]
impl PaymentRoutes {
    /// Create a payment of the checkout
    ///
    /// On the caller's node. `next` is our page on which the payer chooses a gateway; it takes 24 hours to run out. 400
    /// also for a `clientId` that the shop has used.
    #[oai(path = "/", method = "post", operation_id = "create_checkout")]
    async fn create(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<CheckoutRequest, true>,
    ) -> Result<Created<CheckoutResponse>, Refused> {
        let requested = body.value;
        requested.check()?;
        let state = &self.0;
        let answer = once.create(&caller, &body.canonical, async |tx| {
            let by = caller.in_request(Some(request_id.to_string()));
            let currency = checkout::find_currency(&**tx, &requested.purchase.total.currency).await?;
            let currency = currency.ok_or(checkout::CheckoutError::UnknownCurrency)?;
            let payment = checkout::create(tx, caller.node_id, requested.into_core(&currency)?, by).await?;
            let created = checkout::load(&**tx, vec![payment]).await?.pop();
            let created = created.ok_or_else(|| Problem::not_found("Payment"))?;
            let next = state.checkout_links().page(created.payment.id);
            Ok(CheckoutResponse { next, data: CheckoutPayment::new(state, created)? })
        });
        let answer = answer.await?;
        Ok(Created::at(format!("/v1/payments/{}", answer.data.id), answer))
    }

    /// List payments of the checkout
    ///
    /// Those of the caller's node and below, the newest first unless another order is asked for; payments without a value
    /// to sort by come last. Another order than by `createdAt` or `id` is made among the newest 10,000.
    #[oai(path = "/", method = "get", operation_id = "list_checkouts")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Attributes to sort by, repeated or joined by commas.
        sort: Query<Option<Vec<Attributes>>>,
        /// Attributes whose greatest values come first; those that `sort` does not name are added to it.
        desc: Query<Option<Vec<Attributes>>>,
        /// Payments a page, 1 to 100.
        #[oai(default)]
        limit: Query<PageLimit>,
        /// Payments to pass over.
        #[oai(default)]
        offset: Query<Offset>,
    ) -> Result<Json<CheckoutList>, Refused> {
        let (sort, desc) = (Attributes::all(sort.0), Attributes::all(desc.0));
        let query = ListQuery { sort, desc, limit: limit.0.0, offset: offset.0.0 };
        let db = &**self.0.db();
        let total = checkout::within(&caller).count(db, COUNT_MAX).await?;
        let mut rows = match within_depth(query.offset.into(), total, "/offset")? {
            Some(_) => checkout::page(db, &caller, &query.order(), query.offset, query.limit + 1).await?,
            None => Vec::new(),
        };
        let shown = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let deeper = u64::from(query.offset.saturating_add(query.limit)) <= DEPTH_MAX;
        let more = rows.len() > shown && deeper;
        rows.truncate(shown);
        let payments = checkout::load(db, rows).await?.into_iter();
        let data: Result<Vec<_>, Problem> = payments.map(|payment| CheckoutPayment::new(&self.0, payment)).collect();
        Ok(Json(CheckoutList::new(data?, total, &query, self.0.checkout_links().base_url(), more)))
    }

    /// Get a payment of the checkout
    ///
    /// 404 when there is none with this id, also where that is no id.
    #[oai(path = "/:id", method = "get", operation_id = "get_checkout")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The payment.
        id: Path<String>,
    ) -> Result<Json<CheckoutPayment>, Refused<404>> {
        let found = self.find(&caller, &id.0).await?;
        Ok(Json(CheckoutPayment::new(&self.0, found)?))
    }

    /// Submit a payment of the checkout
    ///
    /// Opens the payment at the gateway that is named here or was in `plan`; `next` is where the payer's browser goes: the
    /// gateway's page, or ours that waits. 400 when no gateway is named or this one does not serve the shop, when the
    /// payment is not `pending`, and when the gateway declines.
    #[oai(path = "/:id/submit", method = "post", operation_id = "submit_checkout")]
    async fn submit(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        /// The payment.
        id: Path<String>,
        body: OptionalBody<SubmitRequest, true>,
    ) -> Result<Json<CheckoutResponse>, Refused<404>> {
        let found = self.find(&caller, &id.0).await?;
        let named = body.0.and_then(|body| body.source).map(gateways::Source::from);
        let choice = choice(&self.0, &found, named, None)?;
        let id = found.payment.id;
        let (state, body) = (&self.0, choice.source.clone());
        let by = caller.in_request(Some(request_id.to_string()));
        Ok(Json(once.command(&caller, &body, submitted(state, id, choice, by)).await?))
    }

    /// Cancel a payment of the checkout
    ///
    /// While it is `init`, `pending` or `submitted`; 400 afterwards, and when it was canceled before.
    #[oai(path = "/:id/cancel", method = "post", operation_id = "cancel_checkout")]
    async fn cancel(
        &self,
        caller: Allowed<PaymentsCancel>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        /// The payment.
        id: Path<String>,
        _body: NoBody,
    ) -> Result<Json<CheckoutResponse>, Refused<404>> {
        let id = self.find(&caller, &id.0).await?.payment.id;
        let state = &self.0;
        let answer = once.create(&caller, "", async |tx| {
            let by = caller.in_request(Some(request_id.to_string()));
            let canceled = checkout::cancel(tx, id, by).await?;
            let next = canceled.checkout.cancel_url.clone().unwrap_or_else(|| state.checkout_links().page(id));
            Ok(CheckoutResponse { next, data: CheckoutPayment::new(state, canceled)? })
        });
        Ok(Json(answer.await?))
    }
}

impl PaymentRoutes {
    /// The payment that a client names; what is no id names none.
    async fn find(&self, caller: &payments::Caller, id: &str) -> Result<Checkout, Problem> {
        let unknown = || Problem::not_found("Payment");
        let id: PaymentId = id.parse().map_err(|_| unknown())?;
        Ok(checkout::find(&**self.0.db(), caller, id).await.map_err(checkout::CheckoutError::from)?)
    }
}
