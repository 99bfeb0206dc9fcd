//! An order is one debt, whatever rails it is paid on: its row is locked before any of its payments, names the payment whose
//! money came first, and its status is derived from all of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use entities::{OrderId, PaymentId, PaymentStatus, capture, now, order, payment};
use queue::Transaction;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value, prelude::*,
    sea_query::Query,
};

/// The contract's words for the payment of an order; other systems write words of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the contract's, `receipts.md`")]
pub enum OrderStatus {
    Pending,
    Reported,
    UnderReview,
    Confirmed,
    Rejected,
    RefundPending,
    Refunded,
}

impl OrderStatus {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Reported,
        Self::UnderReview,
        Self::Confirmed,
        Self::Rejected,
        Self::RefundPending,
        Self::Refunded,
    ];

    /// The word in the table and in answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Reported => "REPORTED",
            Self::UnderReview => "UNDER_REVIEW",
            Self::Confirmed => "CONFIRMED",
            Self::Rejected => "REJECTED",
            Self::RefundPending => "REFUND_PENDING",
            Self::Refunded => "REFUNDED",
        }
    }

    /// The status with this word; none for words of other systems.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.word() == word)
    }
}

/// A status that another system has given to an order: how it goes on with what was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fulfilment(String);

impl Fulfilment {
    /// The status with this word, unless it is one of ours.
    pub(crate) fn of(word: &str) -> Option<Self> {
        OrderStatus::from_word(word).is_none().then(|| Self(word.to_owned()))
    }
}

impl fmt::Display for Fulfilment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The orders of some payments, locked, and their changes in this transaction.
#[derive(Default)]
pub(crate) struct Debts(BTreeMap<OrderId, Debt>);

struct Debt {
    order: order::Model,
    paid_by: Option<PaymentId>,
}

/// What a payment's state says of the debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It has the money: the first to have it settles the debt.
    Settles,
    /// It settles the debt if it did so before.
    Keeps,
    /// It has no money, or no longer.
    GivesUp,
}

const fn claim(status: PaymentStatus) -> Claim {
    match status {
        PaymentStatus::Paid | PaymentStatus::Completed => Claim::Settles,
        PaymentStatus::Canceling | PaymentStatus::Refunded | PaymentStatus::NeedsReview => Claim::Keeps,
        PaymentStatus::Pending
        | PaymentStatus::Open
        | PaymentStatus::Submitted
        | PaymentStatus::Canceled
        | PaymentStatus::Expired
        | PaymentStatus::Failed
        | PaymentStatus::Rejected => Claim::GivesUp,
    }
}

impl Debts {
    /// Locks the orders of these payments. Everybody does so before locking a payment, so that nobody who holds an order
    /// waits for a payment of it.
    pub(crate) async fn lock(tx: &Transaction, ids: BTreeSet<PaymentId>) -> Result<Self, DbErr> {
        let of_payments = Query::select()
            .column(payment::Column::OrderId)
            .from(payment::Entity)
            .and_where(payment::Column::Id.is_in(ids))
            .and_where(payment::Column::OrderId.is_not_null())
            .to_owned();
        let orders = order::Entity::find().filter(order::Column::Id.in_subquery(of_payments));
        let orders = orders.order_by_asc(order::Column::Id).lock_exclusive().all(&**tx).await?;
        let debt = |order: order::Model| (order.id, Debt { paid_by: order.paid_by, order });
        Ok(Self(orders.into_iter().map(debt).collect()))
    }

    /// The payment that has settled this one's debt, if that is another one.
    pub(crate) fn settled_by(&self, payment: &payment::Model) -> Option<PaymentId> {
        match payment.order_id {
            Some(id) => self.0.get(&id)?.paid_by.filter(|by| *by != payment.id),
            None => payment.duplicate_of,
        }
    }

    /// Notes what the payment's status says of the debt.
    pub(crate) fn apply_status(&mut self, payment: &payment::Model) {
        let Some(debt) = payment.order_id.and_then(|id| self.0.get_mut(&id)) else { return };
        match claim(payment.status) {
            Claim::Settles => debt.paid_by = debt.paid_by.or(Some(payment.id)),
            Claim::GivesUp if debt.paid_by == Some(payment.id) => debt.paid_by = None,
            Claim::Keeps | Claim::GivesUp => {}
        }
    }

    /// The orders whose debt was settled just now, each with the payment that did it.
    pub(crate) fn newly_settled(&self) -> BTreeMap<OrderId, PaymentId> {
        let newly = |debt: &&Debt| debt.paid_by != debt.order.paid_by;
        self.0.values().filter(newly).filter_map(|debt| Some((debt.order.id, debt.paid_by?))).collect()
    }

    /// Writes the changes of the orders. Their payments have to be written before, because the statuses are derived from them.
    pub(crate) async fn write(self, tx: &Transaction) -> Result<(), DbErr> {
        if self.0.is_empty() {
            return Ok(());
        }
        let rails = rails(tx, self.0.keys().copied()).await?;
        let of = |order: &order::Model| rails.get(&order.id).map_or(&[][..], Vec::as_slice);
        let debts: Vec<Debt> = self.0.into_values().collect();
        let debts =
            debts.into_iter().map(|debt| Debt { paid_by: debt.paid_by.or_else(|| heir(of(&debt.order))), ..debt });
        let debts: Vec<Debt> = debts.collect();
        let going_back = going_back(tx, debts.iter().filter_map(|debt| debt.paid_by)).await?;
        let mut changed = Vec::new();
        for Debt { order, paid_by } in debts {
            let rails = of(&order);
            let refunding = paid_by.is_some_and(|id| going_back.contains(&id));
            let word = word(&order.status, derive(&order, paid_by, rails, refunding));
            if word != order.status || paid_by != order.paid_by {
                changed.push((order.id, word, paid_by));
            }
        }
        if changed.is_empty() { Ok(()) } else { update(tx, changed).await }
    }
}

/// The payment that has settled the debt of this one's order, if that is another one.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn settled_by<C: ConnectionTrait>(
    db: &C,
    payment: &payment::Model,
) -> Result<Option<PaymentId>, DbErr> {
    let Some(id) = payment.order_id else { return Ok(payment.duplicate_of) };
    let order = order::Entity::find().filter(order::Column::Id.eq(id)).one(db).await?;
    Ok(order.and_then(|order| order.paid_by).filter(|by| *by != payment.id))
}

/// One payment of an order, as far as it matters to the order's status.
#[derive(Clone, Copy, Debug)]
struct Rail {
    id: PaymentId,
    status: PaymentStatus,
}

/// Whose money settles the debt when the payment that did so has lost its own.
fn heir(rails: &[Rail]) -> Option<PaymentId> {
    rails.iter().find(|rail| claim(rail.status) == Claim::Settles).map(|rail| rail.id)
}

async fn rails(
    tx: &Transaction,
    orders: impl IntoIterator<Item = OrderId>,
) -> Result<HashMap<OrderId, Vec<Rail>>, DbErr> {
    let found: Vec<(OrderId, PaymentId, PaymentStatus)> = payment::Entity::find()
        .select_only()
        .columns([payment::Column::OrderId, payment::Column::Id, payment::Column::Status])
        .filter(payment::Column::OrderId.is_in(orders))
        .into_tuple()
        .all(&**tx)
        .await?;
    let mut rails: HashMap<OrderId, Vec<Rail>> = HashMap::new();
    for (order_id, id, status) in found {
        rails.entry(order_id).or_default().push(Rail { id, status });
    }
    Ok(rails)
}

/// Those of the payments of which everything that is left is on its way back to the payer.
async fn going_back(
    tx: &Transaction,
    payments: impl IntoIterator<Item = PaymentId>,
) -> Result<BTreeSet<PaymentId>, DbErr> {
    use capture::Column as C;
    let ids: Vec<PaymentId> = payments.into_iter().collect();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<PaymentId> = capture::Entity::find()
        .select_only()
        .column(C::PaymentId)
        .filter(C::PaymentId.is_in(ids))
        .filter(Expr::col(C::RefundReserved).gte(Expr::col(C::Captured).sub(Expr::col(C::Reversed))))
        .filter(Expr::col(C::RefundReserved).gt(Expr::col(C::Refunded)))
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(found.into_iter().collect())
}

/// The order's status: the payment that has its money decides, then one that is in review, then its bank payment.
fn derive(order: &order::Model, paid_by: Option<PaymentId>, rails: &[Rail], refunding: bool) -> OrderStatus {
    let status_of = |id: Option<PaymentId>| rails.iter().find(|rail| Some(rail.id) == id).map(|rail| rail.status);
    let settled = status_of(paid_by);
    match settled {
        Some(PaymentStatus::Paid | PaymentStatus::Completed) if refunding => return OrderStatus::RefundPending,
        Some(PaymentStatus::Paid | PaymentStatus::Completed) => return OrderStatus::Confirmed,
        Some(PaymentStatus::Canceling) => return OrderStatus::RefundPending,
        _ => {}
    }
    if rails.iter().any(|rail| rail.status == PaymentStatus::NeedsReview) {
        return OrderStatus::UnderReview;
    }
    if settled == Some(PaymentStatus::Refunded) {
        return OrderStatus::Refunded;
    }
    match status_of(order.payment_id) {
        Some(PaymentStatus::Submitted) => OrderStatus::Reported,
        Some(PaymentStatus::Rejected | PaymentStatus::Failed) => OrderStatus::Rejected,
        _ => OrderStatus::Pending,
    }
}

/// The word that the order gets. How a paid order is fulfilled is for other systems to say, and theirs stays as long as the
/// money does.
fn word(current: &str, derived: OrderStatus) -> String {
    let money_stays = matches!(derived, OrderStatus::Confirmed | OrderStatus::RefundPending);
    if money_stays && Fulfilment::of(current).is_some() {
        return current.to_owned();
    }
    derived.word().to_owned()
}

async fn update(tx: &Transaction, changed: Vec<(OrderId, String, Option<PaymentId>)>) -> Result<(), DbErr> {
    let now = now();
    let mut values: Vec<Value> = Vec::with_capacity(changed.len() * 4);
    let mut rows = Vec::with_capacity(changed.len());
    for (id, status, paid_by) in changed {
        let first = values.len() + 1;
        values.extend([id.into(), status.into(), paid_by.into(), now.into()]);
        rows.push(format!("(${first}, ${}, ${}, ${})", first + 1, first + 2, first + 3));
    }
    let sql = format!(
        "WITH changed (id, status, paid_by, updated_at) AS (VALUES {}) \
         UPDATE orders SET status = changed.status, paid_by = changed.paid_by, updated_at = changed.updated_at \
         FROM changed WHERE orders.id = changed.id",
        rows.join(", ")
    );
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.map(drop)
}

/// Why an order takes no payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Its money is there.
    #[error("The order is paid already")]
    Paid,
    /// It was, and went back.
    #[error("The order was paid and refunded")]
    Refunded,
    /// An operator has to review it first.
    #[error("The order is under review")]
    UnderReview,
}

/// Locks the order; with it why it takes no payment, if it does not.
///
/// # Errors
/// When the database does not answer; [`DbErr::RecordNotFound`] without such an order.
pub(crate) async fn lock_order(tx: &Transaction, id: OrderId) -> Result<(order::Model, Option<Closed>), DbErr> {
    let order = order::Entity::find().filter(order::Column::Id.eq(id)).lock_exclusive().one(&**tx).await?;
    let order = order.ok_or_else(|| DbErr::RecordNotFound(format!("order {id}")))?;
    let rails = rails(tx, [id]).await?.remove(&id).unwrap_or_default();
    let closed = closed(&order, &rails);
    Ok((order, closed))
}

/// The same of several; those that do not exist are left out.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn lock_orders(
    tx: &Transaction,
    ids: BTreeSet<OrderId>,
) -> Result<HashMap<OrderId, Option<Closed>>, DbErr> {
    let orders = order::Entity::find().filter(order::Column::Id.is_in(ids.iter().copied()));
    let orders = orders.order_by_asc(order::Column::Id).lock_exclusive().all(&**tx).await?;
    let rails = rails(tx, ids).await?;
    let closed = |order: &order::Model| closed(order, rails.get(&order.id).map_or(&[], Vec::as_slice));
    Ok(orders.iter().map(|order| (order.id, closed(order))).collect())
}

fn closed(order: &order::Model, rails: &[Rail]) -> Option<Closed> {
    let settled = rails.iter().find(|rail| Some(rail.id) == order.paid_by).map(|rail| rail.status);
    match settled {
        Some(PaymentStatus::Refunded | PaymentStatus::Canceling) => Some(Closed::Refunded),
        Some(PaymentStatus::NeedsReview) => Some(Closed::UnderReview),
        Some(_) => Some(Closed::Paid),
        None => rails.iter().any(|rail| rail.status == PaymentStatus::NeedsReview).then_some(Closed::UnderReview),
    }
}

#[cfg(test)]
mod tests;
