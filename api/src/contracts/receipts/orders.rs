//! Orders: placing one, and reading them with the receipts that were reported.

use entities::{OrderId, order, payment_submission};
use payments::{
    Caller,
    listing::Listing,
    orders::{self, NewOrder, place},
    receipts::{duplicates_of, receipts_of},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::{Any, Example},
};
use sea_orm::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Declined, Tag, home, manage::ReceiptsManage, submissions::Submission};
use crate::{
    access::{Allowed, Visitor},
    body::Body,
    free_json,
    idempotent::Once,
    money::{ExactInput, Money, MoneyInput},
    paging::{self, Page, PerPage},
    problem::{Code, Problem},
    reach,
    state::State,
    time::Time,
};

/// An order to be placed.
#[derive(Object)]
#[oai(rename_all = "camelCase", example)]
pub(crate) struct OrderRequest {
    /// What it costs, in the shop's currency.
    total: MoneyInput,
    /// The same in bolívares, which the customer transfers.
    total_bs: MoneyInput,
    /// Bolívares for one of the shop's currency.
    exchange_rate: Option<MoneyInput>,
    /// What is bought, in the shop's own words: at most 64 KiB, 4,096 values and 16 levels of lists and objects.
    items: Option<Any<Value>>,
}

impl Example for OrderRequest {
    fn example() -> Self {
        Self {
            total: ExactInput(Decimal::new(2550, 2)),
            total_bs: ExactInput(Decimal::new(93_075, 2)),
            exchange_rate: Some(ExactInput(Decimal::new(365, 1))),
            items: Some(Any(json!([{ "name": "Tea pot", "quantity": 1, "price": 25.5 }]))),
        }
    }
}

/// An order.
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    /// What people call it: `KRFT-` and six characters.
    order_number: String,
    /// What the card processor's calls name it by: drawn, so that nobody finds orders by counting; a double carries it.
    number: i64,
    /// PENDING, REPORTED, UNDER_REVIEW, CONFIRMED, REJECTED, REFUND_PENDING or REFUNDED, or a word that another system
    /// has written about how it is fulfilled.
    status: String,
    total: Money,
    /// The same as text.
    total_text: String,
    /// Null where a program asked for the bank transfer without an order of a shop.
    total_bs: Option<Money>,
    /// The same as text.
    total_bs_text: Option<String>,
    exchange_rate: Option<Money>,
    /// The same as text.
    exchange_rate_text: Option<String>,
    items: Any<Value>,
    /// The customer who was signed in.
    user_id: Option<Uuid>,
    /// The bank payment, from the first receipt on.
    payment_id: Option<Uuid>,
    created_at: Time,
    updated_at: Time,
}

impl From<order::Model> for Order {
    fn from(order: order::Model) -> Self {
        let text = |amount| Money::from(amount).text();
        Self {
            id: order.id.0,
            order_number: order.order_number,
            number: order.number,
            status: order.status,
            total: order.total.into(),
            total_text: text(order.total),
            total_bs: order.total_bs.map(Money::from),
            total_bs_text: order.total_bs.map(text),
            exchange_rate: order.exchange_rate.map(Money::from),
            exchange_rate_text: order.exchange_rate.map(text),
            items: Any(order.items),
            user_id: order.user_id.map(|id| id.0),
            payment_id: order.payment_id.map(|id| id.0),
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        }
    }
}

/// An order that was placed.
#[derive(Object)]
pub(crate) struct Placed {
    /// Always true.
    success: bool,
    order: Order,
}

/// An order with the receipts that were reported for it.
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrderWithPayments {
    #[oai(flatten)]
    order: Order,
    /// Oldest first.
    payments: Vec<Submission>,
}

/// One order.
#[derive(Object)]
pub(crate) struct OneOrder {
    /// Always true.
    success: bool,
    order: OrderWithPayments,
}

/// A page of orders.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct OrderPage {
    /// Always true.
    success: bool,
    /// Newest first.
    orders: Vec<Order>,
    /// The number of this page; the first is 1.
    page: u32,
    /// How many orders a page has at most.
    per_page: u32,
    /// How many orders there are in all; counting stops at 10,000, which means that many or more.
    total: u64,
}

pub(crate) struct Orders(pub(crate) State);

#[OpenApi(prefix_path = "/api/orders", tag = "Tag::Receipts")]
impl Orders {
    /// Place an order
    ///
    /// Anybody may; whoever has signed in becomes its customer. Fields beyond those named are ignored.
    #[oai(path = "/", method = "post", operation_id = "create_order")]
    async fn create(
        &self,
        visitor: Visitor,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<OrderRequest, true>,
    ) -> Result<Json<Placed>, Declined<409, 422>> {
        let items = body.value.items.map_or_else(|| json!([]), |items| items.0);
        free_json::check("/items", &items)?;
        let state = &self.0;
        let placed = once.create(&visitor, &body.canonical, async |tx| {
            let config = &state.config().receipts;
            let new = NewOrder {
                node_id: home(&**tx, config).await?.id,
                user_id: visitor.user_id(),
                currency: config.currency.clone(),
                total: body.value.total.0,
                total_bs: body.value.total_bs.0,
                exchange_rate: body.value.exchange_rate.map(|rate| rate.0),
                items,
            };
            Ok(Placed { success: true, order: place(tx, new).await?.into() })
        });
        Ok(Json(placed.await?))
    }

    /// List orders
    ///
    /// Those of the caller's node and the nodes below it, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_orders")]
    async fn list(
        &self,
        caller: Allowed<ReceiptsManage>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Orders a page, 1 to 100.
        #[oai(name = "perPage", default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<OrderPage>, Declined> {
        let path = reach::path(&**self.0.db(), &caller, None).await?;
        let orders = Listing::<order::Entity>::new(order::Column::Id, order::Column::NodeId, path);
        let page = paging::read_listing(self.0.db(), &orders, page.0, per_page.0, Order::from).await?;
        let paging::Paged { items, page, per_page, total } = page;
        Ok(Json(OrderPage { success: true, orders: items, page, per_page, total }))
    }

    /// Get an order
    ///
    /// With the receipts that were reported for it. An order's id cannot be guessed, and whoever has placed it without
    /// signing in has nothing else; an order of a customer is shown to that customer and to the shop alone: 401 and 403
    /// for others.
    #[oai(path = "/:id", method = "get", operation_id = "get_order")]
    async fn get(
        &self,
        visitor: Visitor,
        /// The order.
        id: Path<String>,
    ) -> Result<Json<OneOrder>, Declined<401, 403, 404>> {
        let db = &**self.0.db();
        let order = orders::find(db, order::Column::Id.eq(order_id(&id.0)?)).await?;
        self.show(&visitor, &order).await?;
        let mut duplicates = duplicates_of(db, order.id).await?;
        let payments: Vec<payment_submission::Model> = receipts_of(db, order.id).await?;
        let with_hint = |row: payment_submission::Model| {
            let duplicate_of = duplicates.remove(&row.id);
            Submission::new(row, duplicate_of)
        };
        let payments = payments.into_iter().map(with_hint).collect();
        Ok(Json(OneOrder { success: true, order: OrderWithPayments { order: order.into(), payments } }))
    }
}

impl Orders {
    async fn show(&self, visitor: &Visitor, order: &order::Model) -> Result<(), Problem> {
        if order.user_id.is_none() || order.user_id == visitor.user_id() {
            return Ok(());
        }
        let Some(caller) = &visitor.caller else {
            return Err(Problem::new(Code::Unauthorized).detail("Sign in to see this order"));
        };
        self.manages(caller, order).await
    }

    async fn manages(&self, caller: &Caller, order: &order::Model) -> Result<(), Problem> {
        if !caller.can(payments::Permission::ReceiptsManage) {
            return Err(Problem::new(Code::PermissionMissing).detail("This is another customer's order"));
        }
        Ok(orders::within_reach(&**self.0.db(), caller, order).await?)
    }
}

/// The order that a client names; what is no id names none.
pub(super) fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|_| Problem::not_found("Order"))
}
