//! Payments that a till writes down: the money is in its hand already, so that they are completed from the start. They
//! alone can be corrected or taken back here; the payment's row is the lock under which that is decided.

pub mod base_currency;
mod named;
mod shown;
pub mod tickets;

pub use shown::{Shown, list, show};

use entities::{
    Amount, CurrencyId, NodeId, PaymentId, PaymentMethod, PaymentMethodId, PaymentStatus, currency, now, payment,
    payment_method, till_payment,
};
use queue::Transaction;
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, SqlErr, prelude::*};
use serde_json::{Value, json};

use self::named::Named;
use crate::{
    caller::{Caller, RequestedBy},
    lock::Locked,
    money::{self, AmountError},
    observation::{Observation, Outcome},
    off_chain::{self, OffChain},
    reach::{self, Denied},
    record::observe,
};

/// What a till says of a payment.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `till.md`")]
pub struct Entry {
    /// As it was sent; what is no id names no method.
    pub method_id: String,
    pub currency_id: String,
    /// A blank one is none.
    pub transaction_id: String,
    pub amount: Decimal,
}

/// What a till's entry may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the rows of these names")]
pub enum Reference {
    Payment,
    Ticket,
    PaymentMethod,
    Currency,
}

/// Why a till was refused. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    /// The payment is not there, or out of reach.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// What the entry names is not there.
    #[error("{0:?} not found")]
    Unknown(Reference),
    /// The amount is none of the currency.
    #[error("amount {0}")]
    Amount(#[from] AmountError),
    /// The node has a payment with this transaction id.
    #[error("Transaction id already used")]
    TransactionTaken,
    /// It came in by another contract.
    #[error("Only payments of the till can be changed here")]
    NotOfTheTill,
    /// Tickets refer to the payment, so that it stays.
    #[error("Tickets refer to this payment")]
    HasTickets,
    /// The payment and the ticket belong together already.
    #[error("The payment covers this ticket already")]
    Covered,
    /// Something has happened to the payment since the till wrote it down; it is in this state.
    #[error("The payment is {0}")]
    InState(PaymentStatus),
    /// Another request changed the payment first.
    #[error("The payment has changed meanwhile")]
    Changed,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Writes the payment down: created and completed, in the caller's transaction.
///
/// # Errors
/// [`TillError`].
pub async fn take(
    tx: &mut Transaction,
    node_id: NodeId,
    entry: Entry,
    requested_by: RequestedBy,
) -> Result<PaymentId, TillError> {
    let (method, currency) = resolve(&**tx, &entry).await?;
    let amount = check(&entry, &currency)?;
    let written_down = OffChain {
        node_id,
        external_id: String::new(),
        currency_id: currency.id,
        amount,
        payment_method: method,
        payment_address: "till".to_owned(),
    };
    let row = off_chain::row(written_down, &off_chain::network(&**tx).await?);
    let payment_id = row.id;
    let Named { external_id, kept } = Named::new(entry.transaction_id, payment_id);
    let row = payment::Model { external_id, ..row };
    if !off_chain::insert(tx, row, &requested_by).await? {
        return Err(TillError::TransactionTaken);
    }
    let of_till = till_payment::Model { payment_id, transaction_id: kept, created_at: now() };
    till_payment::Entity::insert(of_till.into_active_model()).exec_without_returning(&**tx).await?;
    let (outcome, _) = observe(tx, payment_id, Observation::TakenAtTill, &requested_by).await?;
    written(outcome).map(|()| payment_id)
}

/// Corrects the payment. Consumers of events are notified.
///
/// # Errors
/// [`TillError`].
pub async fn correct(
    tx: &mut Transaction,
    caller: &Caller,
    id: PaymentId,
    entry: Entry,
    request_id: Option<String>,
) -> Result<(), TillError> {
    let mut locked = lock(tx, caller, id).await?;
    let (method, currency) = resolve(&**tx, &entry).await?;
    let amount = check(&entry, &currency)?;
    let was = changeable(tx, locked.payment()).await?;
    let before = locked.payment();
    let was = log_data(&was.of_till(), before.payment_method, before.currency_id, before.price);
    let named = Named::new(entry.transaction_id, id);
    let is = log_data(&named.clone().of_till(), method, currency.id, amount);
    locked.set_external_id(named.external_id);
    locked.set_method(method);
    locked.set_price(currency.id, amount);
    let data = json!({ "was": was, "is": is });
    written(locked.observe(Observation::Corrected { data }, &caller.in_request(request_id)))?;
    locked.save(tx).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => TillError::TransactionTaken,
        _ => error.into(),
    })?;
    till_payment::Entity::update_many()
        .col_expr(till_payment::Column::TransactionId, Expr::value(named.kept))
        .filter(till_payment::Column::PaymentId.eq(id))
        .exec(&**tx)
        .await?;
    Ok(())
}

/// Takes the payment back. It stays in the log and in the events, canceled; its transaction id is free again.
///
/// # Errors
/// [`TillError`]; a payment that tickets refer to is a conflict.
pub async fn delete(
    tx: &mut Transaction,
    caller: &Caller,
    id: PaymentId,
    request_id: Option<String>,
) -> Result<(), TillError> {
    let mut locked = lock(tx, caller, id).await?;
    let was = changeable(tx, locked.payment()).await?;
    if !tickets::of_payment(&**tx, id, 1).await?.is_empty() {
        return Err(TillError::HasTickets);
    }
    let deleted = format!("{} (deleted {id})", locked.payment().external_id);
    locked.set_external_id(deleted);
    let data = json!({ "transaction_id": was.of_till() });
    written(locked.observe(Observation::Voided { data }, &caller.in_request(request_id)))?;
    locked.save(tx).await?;
    Ok(())
}

/// The payment, whichever contract it came in by, unless the till has taken it back.
///
/// # Errors
/// [`Denied`].
pub async fn find<C: ConnectionTrait>(db: &C, caller: &Caller, id: PaymentId) -> Result<payment::Model, Denied> {
    let payment = reach::find_payment(db, caller, id).await?;
    if payment.status == PaymentStatus::Canceled && of_till(db, id).await?.is_some() {
        Err(Denied::NotFound)
    } else {
        Ok(payment)
    }
}

async fn lock(tx: &Transaction, caller: &Caller, id: PaymentId) -> Result<Locked, TillError> {
    find(&**tx, caller, id).await?;
    Locked::find(tx, id).await?.ok_or(TillError::Denied(Denied::NotFound))
}

/// Only what a till has written down, and as long as nothing has happened to it since; its names.
async fn changeable(tx: &Transaction, payment: &payment::Model) -> Result<Named, TillError> {
    let Some(of_till) = of_till(&**tx, payment.id).await? else { return Err(TillError::NotOfTheTill) };
    match payment.status {
        PaymentStatus::Completed => {
            Ok(Named { external_id: payment.external_id.clone(), kept: of_till.transaction_id })
        }
        // Taken back by somebody else while this one waited for the lock.
        PaymentStatus::Canceled => Err(TillError::Denied(Denied::NotFound)),
        other => Err(TillError::InState(other)),
    }
}

async fn of_till<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<Option<till_payment::Model>, DbErr> {
    till_payment::Entity::find().filter(till_payment::Column::PaymentId.eq(id)).one(db).await
}

async fn resolve<C: ConnectionTrait>(db: &C, entry: &Entry) -> Result<(PaymentMethod, currency::Model), TillError> {
    let method = match entry.method_id.parse::<PaymentMethodId>() {
        Ok(id) => payment_method::Entity::find().filter(payment_method::Column::Id.eq(id)).one(db).await?,
        Err(_) => None,
    };
    let method = method.ok_or(TillError::Unknown(Reference::PaymentMethod))?;
    let currency = match entry.currency_id.parse::<CurrencyId>() {
        Ok(id) => {
            let live = currency::Column::DeletedAt.is_null();
            currency::Entity::find().filter(currency::Column::Id.eq(id)).filter(live).one(db).await?
        }
        Err(_) => None,
    };
    Ok((method.method, currency.ok_or(TillError::Unknown(Reference::Currency))?))
}

fn check(entry: &Entry, currency: &currency::Model) -> Result<Amount, AmountError> {
    money::check(entry.amount, u32::try_from(currency.decimals).unwrap_or(0)).map(Amount)
}

fn written(outcome: Outcome) -> Result<(), TillError> {
    match outcome {
        Outcome::Moved(_) | Outcome::Noted => Ok(()),
        Outcome::Unchanged => Err(TillError::Changed),
    }
}

/// What a till says of a payment, as the log shows it.
fn log_data(transaction_id: &str, method: PaymentMethod, currency_id: CurrencyId, amount: Amount) -> Value {
    let amount = amount.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number);
    json!({ "transaction_id": transaction_id, "method": method, "currency_id": currency_id, "amount": amount })
}
