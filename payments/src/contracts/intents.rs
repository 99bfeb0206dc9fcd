//! Card payments that a storefront takes for a seller: an order has one, with one live session at the card processor.

use chrono::TimeDelta;
use entities::{
    Amount, GatewaySessionKind, PaymentId, PaymentMethod, PaymentStatus, currency, gateway_session, node, order,
    payment,
};
use queue::Transaction;
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, prelude::*};

use crate::{
    caller::RequestedBy,
    debt::{Closed, lock_order},
    lock::Locked,
    money,
    observation::{AtGateway, Observation},
    off_chain::{self, OffChain},
    orders::{self, NUMBERS},
    record::observe,
    request_error::{Conflict, Missing, RequestError},
    sellers::{account_of, platform_fee},
    sessions::{self, NewSession, SessionError},
};

/// The card processor, as gateways are named.
const SOURCE: &str = "STR";

/// How long an intent may be paid. Orders of a shop do not expire, but nobody waits for a card for longer.
const PAYABLE_FOR: TimeDelta = TimeDelta::days(30);

/// The order's live session at the card processor; made if there is none, and then requested of the processor. Another
/// request for an unpaid order gets the same.
///
/// # Errors
/// [`RequestError::NotFound`] unless there is such an order whose seller can take its payment; [`RequestError::Conflict`]
/// when it is paid already.
pub async fn request(
    tx: &mut Transaction,
    order_number: i64,
    requested_by: &RequestedBy,
) -> Result<gateway_session::Model, RequestError> {
    // Strangers call this: what cannot be paid by card here looks as if it were not there, and so does what could be counted.
    if !NUMBERS.contains(&order_number) {
        return Err(RequestError::NotFound(Missing::Order));
    }
    let found = orders::find(&**tx, order::Column::Number.eq(order_number)).await?;
    let account = account_of(&**tx, found.node_id).await?.filter(|account| account.charges_enabled);
    let account_id = account.and_then(|account| account.account_id).ok_or(RequestError::NotFound(Missing::Order))?;
    let (order, closed) = lock_order(tx, found.id).await?;
    if let Some(closed) = closed {
        return Err(Conflict::Closed(closed).into());
    }
    let payment_id = match order.card_payment_id {
        Some(id) => id,
        None => create(tx, &order, requested_by).await?,
    };
    let payment = payable(tx, Locked::known(tx, payment_id).await?, requested_by).await?;
    let new = NewSession {
        payment_id,
        source: SOURCE.to_owned(),
        kind: GatewaySessionKind::Intent,
        payment_method: PaymentMethod::CreditCard,
        account: Some(account_id),
        fee: Some(fee_of(&**tx, &payment).await?),
        requested_by: requested_by.clone(),
    };
    match sessions::begin(tx, new).await {
        Ok(session) => Ok(session),
        Err(SessionError::Live(session)) => Ok(*session),
        Err(SessionError::NotPayable(status)) => Err(not_payable(status)),
        Err(SessionError::Late) => Err(Conflict::Late.into()),
        Err(SessionError::Database(error)) => Err(error.into()),
    }
}

/// The order's card payment, open at once: the payer may pay as soon as the processor has the intent. Of several first
/// requests at once one makes it: the others wait at the unique index for that one's commit.
async fn create(
    tx: &mut Transaction,
    order: &order::Model,
    requested_by: &RequestedBy,
) -> Result<PaymentId, RequestError> {
    let of_card = OffChain {
        node_id: order.node_id,
        external_id: format!("{}/card", order.order_number),
        currency_id: order.currency_id,
        amount: order.total,
        payment_method: PaymentMethod::CreditCard,
        payment_address: order.order_number.clone(),
    };
    let row = off_chain::row(of_card, &off_chain::network(&**tx).await?);
    let (order_id, metadata) = (Some(order.id), Some(orders::metadata(order)));
    let row = payment::Model { order_id, metadata, expires_at: row.created_at + PAYABLE_FOR, ..row };
    let (id, external_id) = (row.id, row.external_id.clone());
    if !off_chain::insert(tx, row, requested_by).await? {
        return Ok(off_chain::known(tx, order.node_id, external_id).await?);
    }
    order::Entity::update_many()
        .col_expr(order::Column::CardPaymentId, Expr::value(id))
        .filter(order::Column::Id.eq(order.id))
        .exec(&**tx)
        .await?;
    observe(tx, id, Observation::Gateway(AtGateway::Payable), requested_by).await?;
    Ok(id)
}

/// What may be paid, or may again after the processor had definitely failed.
async fn payable(
    tx: &mut Transaction,
    mut locked: Locked,
    requested_by: &RequestedBy,
) -> Result<payment::Model, RequestError> {
    match locked.payment().status {
        PaymentStatus::Pending | PaymentStatus::Open | PaymentStatus::Submitted => Ok(locked.payment().clone()),
        PaymentStatus::Failed => {
            locked.observe(Observation::RetryRequested, requested_by);
            locked.observe(Observation::Gateway(AtGateway::Payable), requested_by);
            Ok(locked.save(tx).await?)
        }
        PaymentStatus::Paid | PaymentStatus::Completed => Err(Conflict::Closed(Closed::Paid).into()),
        other @ (PaymentStatus::Canceling
        | PaymentStatus::Canceled
        | PaymentStatus::Expired
        | PaymentStatus::Rejected
        | PaymentStatus::Refunded
        | PaymentStatus::NeedsReview) => Err(not_payable(other)),
    }
}

fn not_payable(status: PaymentStatus) -> RequestError {
    Conflict::Card(status).into()
}

/// The platform's part, by the plan that the seller's node has now.
async fn fee_of<C: ConnectionTrait>(db: &C, payment: &payment::Model) -> Result<Amount, RequestError> {
    let node = node::Entity::find().filter(node::Column::Id.eq(payment.node_id)).one(db).await?;
    let node = node.ok_or_else(|| DbErr::RecordNotFound(format!("node {}", payment.node_id)))?;
    let currency = currency::Entity::find().filter(currency::Column::Id.eq(payment.currency_id)).one(db).await?;
    let decimals = u32::try_from(currency.map_or(2, |currency| currency.decimals)).unwrap_or(2);
    let fee = platform_fee(node.plan, money::minor(payment.paid_price.0, decimals)?);
    Ok(Amount(Decimal::new(fee, decimals)))
}
