//! Orders: what a shop's customers buy. An order follows its payments and moves nothing by itself.

pub use crate::core::debt::{Closed, Fulfilment, OrderStatus};

use chrono::{DateTime, Utc};
use entities::{Amount, CurrencyId, NodeId, OrderId, UserId, currency, node, now, order, payment};
use queue::{Database, Transaction};
use rand::Rng;
use rust_decimal::Decimal;
use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, prelude::*, sea_query::OnConflict,
};
use serde_json::{Value, json};

use crate::{
    caller::Caller,
    money::{self, AmountError},
    reach::{self, Denied},
    request_error::{Missing, RequestError},
};

/// Fraction digits of the bolívar.
pub(crate) const BOLIVAR_DECIMALS: u32 = 2;

/// Characters of an order number that nobody takes for each other.
const CHARACTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// From 2^40 to what a double carries exactly. Orders from before numbers were drawn have smaller ones.
pub(crate) const NUMBERS: std::ops::RangeInclusive<i64> = (1 << 40)..=(1 << 53) - 1;

/// Of a thousand million numbers; that one is taken is rare, that so many in a row are never happens.
const TRIES: usize = 16;

/// Orders that are taken away in one transaction.
const STEP: u64 = 500;

/// An order that somebody places.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `receipts.md`")]
pub struct NewOrder {
    pub node_id: NodeId,
    pub user_id: Option<UserId>,
    /// Symbol of the currency of `total`, such as `USD`.
    pub currency: String,
    pub total: Decimal,
    pub total_bs: Decimal,
    pub exchange_rate: Option<Decimal>,
    pub items: Value,
}

/// Why an order was not placed. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// An amount is none of its currency.
    #[error("{0} {1}")]
    Amount(&'static str, AmountError),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The amount as one of bolivares.
///
/// # Errors
/// [`OrderError::Amount`] when it is none.
pub fn check_bolivares(field: &'static str, amount: Decimal) -> Result<Decimal, OrderError> {
    money::check(amount, BOLIVAR_DECIMALS).map_err(|error| OrderError::Amount(field, error))
}

/// Places the order.
///
/// # Errors
/// [`OrderError`].
pub async fn place(tx: &Transaction, new: NewOrder) -> Result<order::Model, OrderError> {
    let total_bs = check_bolivares("totalBs", new.total_bs)?;
    let currency = currency_of(tx, &new.currency).await?;
    let decimals = u32::try_from(currency.decimals).unwrap_or(0);
    let total = money::check(new.total, decimals).map_err(|error| OrderError::Amount("total", error))?;
    let rate = new.exchange_rate.map(money::check_rate).transpose();
    let exchange_rate = rate.map_err(|error| OrderError::Amount("exchangeRate", error))?.map(Amount);
    let now = now();
    let row = order::Model {
        id: OrderId::new(),
        number: 0,
        order_number: String::new(),
        node_id: new.node_id,
        user_id: new.user_id,
        currency_id: currency.id,
        payment_id: None,
        card_payment_id: None,
        paid_by: None,
        status: OrderStatus::Pending.word().to_owned(),
        total: Amount(total),
        total_bs: Some(Amount(total_bs)),
        exchange_rate,
        items: new.items,
        created_at: now,
        updated_at: now,
    };
    Ok(insert(tx, row).await?)
}

/// The order that fits, for nobody in particular.
///
/// # Errors
/// [`RequestError::NotFound`].
pub async fn find<C: ConnectionTrait>(db: &C, which: Expr) -> Result<order::Model, RequestError> {
    order::Entity::find().filter(which).one(db).await?.ok_or(RequestError::NotFound(Missing::Order))
}

/// The order that fits, if the caller reaches its node.
///
/// # Errors
/// [`RequestError::NotFound`] and [`RequestError::OutOfReach`].
pub(crate) async fn find_within_reach<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    which: Expr,
) -> Result<order::Model, RequestError> {
    reach::find::<order::Entity>(db, caller, which).await.map_err(|denied| match denied {
        Denied::NotFound => RequestError::NotFound(Missing::Order),
        Denied::OutOfReach => RequestError::OutOfReach,
        Denied::Database(error) => error.into(),
    })
}

/// Refuses a caller who does not reach the order's node.
///
/// # Errors
/// [`RequestError::OutOfReach`].
pub async fn within_reach<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    order: &order::Model,
) -> Result<(), RequestError> {
    let node = node::Entity::find().filter(node::Column::Id.eq(order.node_id)).one(db).await?;
    if node.is_some_and(|node| caller.reaches(&node.path)) { Ok(()) } else { Err(RequestError::OutOfReach) }
}

/// The order of a bank transfer that a merchant's program asked for. Both have the same id, so that whoever knows the
/// payment can report a receipt.
pub(crate) async fn of_payment(tx: &Transaction, payment: &payment::Model) -> Result<OrderId, DbErr> {
    let row = order::Model {
        id: OrderId(payment.id.0),
        number: 0,
        order_number: String::new(),
        node_id: payment.node_id,
        user_id: None,
        currency_id: payment.currency_id,
        payment_id: Some(payment.id),
        card_payment_id: None,
        paid_by: None,
        status: OrderStatus::Pending.word().to_owned(),
        total: payment.paid_price,
        total_bs: None,
        exchange_rate: None,
        items: payment.items.clone(),
        created_at: payment.created_at,
        updated_at: payment.created_at,
    };
    Ok(insert(tx, row).await?.id)
}

/// With a number for other systems and one for people, both drawn until they are free.
async fn insert(tx: &Transaction, row: order::Model) -> Result<order::Model, DbErr> {
    for _ in 0..TRIES {
        let mut new = row.clone().into_active_model();
        (new.number, new.order_number) = (Set(number()), Set(order_number()));
        let taken = OnConflict::new().do_nothing().to_owned();
        let inserted = order::Entity::insert_many([new]).on_conflict(taken).exec_with_returning(&**tx).await;
        match inserted.map(|mut rows| rows.pop()) {
            Ok(Some(order)) => return Ok(order),
            Ok(None) | Err(DbErr::RecordNotInserted) => {}
            Err(error) => return Err(error),
        }
    }
    Err(DbErr::RecordNotInserted)
}

/// What other systems call the order: nobody finds one by counting, and a double carries it.
fn number() -> i64 {
    rand::rng().random_range(NUMBERS)
}

fn order_number() -> String {
    let mut random = rand::rng();
    let characters = (0..6).map(|_| char::from(CHARACTERS[random.random_range(0..CHARACTERS.len())]));
    format!("KRFT-{}", characters.collect::<String>())
}

/// The currency with this symbol that belongs to no network; made when it is named for the first time.
async fn currency_of(tx: &Transaction, symbol: &str) -> Result<currency::Model, DbErr> {
    use currency::Column as C;
    let known = currency::Entity::find()
        .filter(C::Symbol.eq(symbol))
        .filter(C::NetworkId.is_null())
        .filter(C::DeletedAt.is_null())
        .order_by_asc(C::Id)
        .one(&**tx)
        .await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let now = now();
    let row = currency::Model {
        id: CurrencyId::new(),
        network_id: None,
        symbol: symbol.to_owned(),
        name: symbol.to_owned(),
        address: None,
        decimals: 2,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    currency::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**tx).await?;
    Ok(row)
}

/// The node with this id that is in use, or without one the installation's root.
///
/// # Errors
/// When the database does not answer.
pub async fn node_of<C: ConnectionTrait>(db: &C, id: Option<NodeId>) -> Result<Option<node::Model>, DbErr> {
    let nodes = node::Entity::find().filter(node::Column::DeletedAt.is_null());
    let nodes = match id {
        Some(id) => nodes.filter(node::Column::Id.eq(id)),
        None => nodes.filter(node::Column::ParentId.is_null()).order_by_asc(node::Column::Number),
    };
    nodes.one(db).await
}

/// Takes away orders from before that time that nobody has tried to pay on any rail, at most so many, and tells how many
/// those were. A payment names its order from the transaction on that writes it.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_untouched(db: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, DbErr> {
    use order::Column as C;
    let untouched = |ids: Option<Vec<OrderId>>| {
        Condition::all()
            .add(C::CreatedAt.lt(before))
            .add(C::PaymentId.is_null())
            .add(C::CardPaymentId.is_null())
            .add(C::Status.eq(OrderStatus::Pending.word()))
            .add(Expr::cust("NOT EXISTS (SELECT 1 FROM payments WHERE payments.order_id = orders.id)"))
            .add_option(ids.map(|ids| C::Id.is_in(ids)))
    };
    let mut removed = 0;
    while removed < limit {
        let tx = db.begin().await?;
        let step = order::Entity::find().select_only().column(C::Id).filter(untouched(None)).order_by_asc(C::CreatedAt);
        let ids: Vec<OrderId> = step.limit(STEP.min(limit - removed)).into_tuple().all(&*tx).await?;
        if ids.is_empty() {
            break;
        }
        // Looked at again: an order may have been paid in between.
        let gone = order::Entity::delete_many().filter(untouched(Some(ids))).exec(&*tx).await?.rows_affected;
        tx.commit().await?;
        if gone == 0 {
            break;
        }
        removed += gone;
    }
    Ok(removed)
}

/// What an order's payment tells of it.
pub(crate) fn metadata(order: &order::Model) -> String {
    json!({ "order_id": order.id, "order_number": order.order_number, "number": order.number }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_carried_by_doubles_and_are_not_found_by_counting() {
        let drawn: std::collections::BTreeSet<i64> = (0..1_000).map(|_| number()).collect();
        assert_eq!(drawn.len(), 1_000);
        for number in drawn {
            assert!((1 << 40..1 << 53).contains(&number), "{number}");
        }
    }

    #[test]
    fn nobody_takes_a_character_of_an_order_number_for_another() {
        for _ in 0..1_000 {
            let order_number = order_number();
            let characters = order_number.strip_prefix("KRFT-").unwrap();
            assert_eq!(characters.len(), 6);
            let plain = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit();
            assert!(
                characters.chars().all(|character| plain(character) && !"0O1I".contains(character)),
                "{characters}"
            );
        }
    }

    #[test]
    fn a_refused_amount_names_its_field() {
        let refused =
            |amount: &str| check_bolivares("totalBs", amount.parse().unwrap()).map_err(|error| error.to_string());
        assert_eq!(refused("36.50"), Ok("36.5".parse().unwrap()));
        let fine = "totalBs has more than 2 fraction digits, which is all the currency has";
        assert_eq!(refused("0.001").unwrap_err(), fine);
        assert_eq!(refused("0").unwrap_err(), "totalBs must be greater than zero");
    }

    #[test]
    fn a_payment_shows_by_which_names_its_order_is_known() {
        let order = crate::samples::order();
        let written: Value = serde_json::from_str(&metadata(&order)).unwrap();
        assert_eq!(written, json!({ "order_id": order.id, "order_number": "ABCDEF", "number": 1_i64 << 40 }));
    }
}
