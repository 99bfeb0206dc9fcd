//! Payments by an invoice of the Lightning network. The invoice's row says how far it is at the node; each of its steps is
//! one guarded statement, so that of two that see the same one takes it. The payment moves in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    Amount, CurrencyId, InvoiceStatus, PaymentId, PaymentMethod, currency, exchange_rate, lightning_invoice, now,
    payment,
};
use queue::{NewMessage, Payload as _, Transaction, dead_letters::set_aside};
use rust_decimal::Decimal;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, UpdateMany, prelude::*,
};
use serde_json::{Value, json};

use crate::{
    caller::{Actor, Caller},
    jobs::{AskInvoice, WatchInvoice},
    money::{self, AmountError},
    observation::Observation,
    off_chain::{self, OffChain},
    rates::{self, RateError, Trusted},
    reach::{self, Denied},
    record::{Observed, observe, record},
    till::{Reference, TillError, tickets},
};

/// Word by word the condition of an index.
const LIVE: &str = "status IN ('asked', 'sent', 'open')";

/// What is to be paid by an invoice.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `till.md`")]
pub struct NewInvoice {
    pub amount: Decimal,
    /// As it was sent; what is no id names no currency.
    pub currency_id: String,
    pub ticket_id: Option<String>,
    /// How long the payer may take.
    pub expiry: TimeDelta,
    /// Which rates may be used, where the amount is not in bitcoin.
    pub trusted: Trusted,
}

/// Why an invoice was refused. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// As a till is.
    #[error(transparent)]
    Till(#[from] TillError),
    /// The amount cannot be expressed in bitcoin.
    #[error(transparent)]
    Rate(#[from] RateError),
}

impl From<AmountError> for InvoiceError {
    fn from(error: AmountError) -> Self {
        Self::Till(error.into())
    }
}

impl From<DbErr> for InvoiceError {
    fn from(error: DbErr) -> Self {
        Self::Till(error.into())
    }
}

/// Writes down the payment, `open` from the start, and has its invoice requested, in the caller's transaction.
///
/// # Errors
/// [`InvoiceError`].
pub async fn open(
    tx: &mut Transaction,
    caller: &Caller,
    new: NewInvoice,
    request_id: Option<String>,
) -> Result<PaymentId, InvoiceError> {
    let currency = currency(&**tx, &new.currency_id).await?;
    let amount = money::check(new.amount, u32::try_from(currency.decimals).unwrap_or(0))?;
    let (amount_sat, rate) = priced(&**tx, amount, &currency, new.trusted).await?;
    let expires_at = now() + new.expiry;
    let wanted = OffChain {
        node_id: caller.node_id,
        external_id: String::new(),
        currency_id: currency.id,
        amount: Amount(amount),
        payment_method: PaymentMethod::Lightning,
        payment_address: "lightning".to_owned(),
    };
    let row = off_chain::row(wanted, &off_chain::network(&**tx).await?);
    let id = row.id;
    // Nobody has named it: its own id is the only name that certainly no other payment has.
    let row = payment::Model { external_id: id.to_string(), expires_at, ..row };
    let by = caller.in_request(request_id);
    if !off_chain::insert(tx, row, &by).await? {
        return Err(DbErr::RecordNotInserted.into());
    }
    let invoice = new_row(id, amount_sat, rate, expires_at);
    let data = json!({
        "amount_sat": amount_sat, "rate": invoice.rate, "rate_source": invoice.rate_source,
        "rate_at": invoice.rate_at.map(entities::rfc3339),
    });
    lightning_invoice::Entity::insert(invoice.into_active_model()).exec_without_returning(&**tx).await?;
    if let Some(ticket_id) = &new.ticket_id {
        tickets::relate(tx, caller, Some(id), ticket_id.parse().ok()).await?;
    }
    let what = Observation::InvoiceWanted { data };
    let mut request = NewMessage::of(&AskInvoice { payment_id: id });
    if let Some(request_id) = &by.request_id {
        request = request.header("request_id", request_id);
    }
    observe(tx, id, what, &by).await?;
    tx.enqueue(vec![request]).await?;
    Ok(id)
}

async fn currency<C: ConnectionTrait>(db: &C, id: &str) -> Result<currency::Model, InvoiceError> {
    let found = match id.parse::<CurrencyId>() {
        Ok(id) => {
            let live = currency::Column::DeletedAt.is_null();
            currency::Entity::find().filter(currency::Column::Id.eq(id)).filter(live).one(db).await?
        }
        Err(_) => None,
    };
    Ok(found.ok_or(TillError::Unknown(Reference::Currency))?)
}

/// The amount in satoshis, and the rate that says so.
async fn priced<C: ConnectionTrait>(
    db: &C,
    amount: Decimal,
    currency: &currency::Model,
    trusted: Trusted,
) -> Result<(i64, Option<exchange_rate::Model>), InvoiceError> {
    // A token may call itself what it likes; only the currency of no network is bitcoin itself.
    if currency.network_id.is_none() && currency.symbol == rates::BITCOIN {
        return Ok((rates::satoshis(amount)?, None));
    }
    let rate = rates::current(db, rates::BITCOIN, &currency.symbol, trusted).await?;
    Ok((rates::satoshis_at(amount, rate.rate.0)?, Some(rate)))
}

fn new_row(
    payment_id: PaymentId,
    amount_sat: i64,
    rate: Option<exchange_rate::Model>,
    expires_at: DateTime<Utc>,
) -> lightning_invoice::Model {
    let now = now();
    lightning_invoice::Model {
        payment_id,
        status: InvoiceStatus::Asked,
        payment_hash: None,
        bolt11: None,
        amount_sat,
        description: format!("Payment {payment_id}"),
        rate: rate.as_ref().map(|rate| rate.rate),
        rate_at: rate.as_ref().map(|rate| rate.at),
        rate_source: rate.map(|rate| rate.source),
        received_sat: None,
        expires_at,
        created_at: now,
        updated_at: now,
    }
}

/// The invoice of a payment in reach.
///
/// # Errors
/// [`Denied`].
pub async fn find<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    id: PaymentId,
) -> Result<lightning_invoice::Model, Denied> {
    reach::find_payment(db, caller, id).await?;
    read(db, id).await?.ok_or(Denied::NotFound)
}

/// The payment's invoice, without a check of the caller's reach.
///
/// # Errors
/// When the database does not answer.
pub async fn read<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<Option<lightning_invoice::Model>, DbErr> {
    lightning_invoice::Entity::find().filter(lightning_invoice::Column::PaymentId.eq(id)).one(db).await
}

/// Has the invoice polled that a node's callback is about, by whichever name it gave; whether there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn receive_callback(
    tx: &mut Transaction,
    id: Option<Uuid>,
    payment_hash: Option<&str>,
) -> Result<bool, DbErr> {
    use lightning_invoice::Column as C;
    let by_name = match id {
        Some(id) => read(&**tx, PaymentId(id)).await?,
        None => None,
    };
    let found = match (by_name, payment_hash) {
        (Some(invoice), _) => Some(invoice),
        (None, Some(hash)) => lightning_invoice::Entity::find().filter(C::PaymentHash.eq(hash)).one(&**tx).await?,
        (None, None) => None,
    };
    let Some(invoice) = found else { return Ok(false) };
    let payment_id = invoice.payment_id;
    let request = NewMessage::of(&AskInvoice { payment_id });
    tx.enqueue(vec![request]).await?;
    Ok(true)
}

/// Notes that it is about to be requested of the node. False when another process has noted so.
///
/// # Errors
/// When the database does not answer.
pub async fn sent<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<bool, DbErr> {
    step(id, &[InvoiceStatus::Asked], InvoiceStatus::Sent, db).await
}

/// Notes that it was polled.
///
/// # Errors
/// When the database does not answer.
pub async fn polled<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<(), DbErr> {
    step(id, &[InvoiceStatus::Open], InvoiceStatus::Open, db).await.map(drop)
}

/// Notes that polling it has failed, and will be tried again.
///
/// # Errors
/// When the database does not answer.
pub async fn tried<D: ConnectionTrait>(db: &D, id: PaymentId) -> Result<(), DbErr> {
    use lightning_invoice::Column as C;
    lightning_invoice::Entity::update_many()
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::PaymentId.eq(id))
        .filter(Expr::cust(LIVE))
        .exec(db)
        .await
        .map(drop)
}

/// Notes what the node has made, and has it watched from then on where there is something to wait for.
///
/// # Errors
/// When the database does not answer.
pub async fn made(
    tx: &mut Transaction,
    id: PaymentId,
    payment_hash: &str,
    bolt11: &str,
    watch_at: Option<DateTime<Utc>>,
) -> Result<(), DbErr> {
    use lightning_invoice::Column as C;
    let from = [InvoiceStatus::Asked, InvoiceStatus::Sent];
    let update = moving(id, &from, InvoiceStatus::Open)
        .col_expr(C::PaymentHash, Expr::value(payment_hash))
        .col_expr(C::Bolt11, Expr::value(bolt11));
    let first = update.exec(&**tx).await?.rows_affected > 0;
    if let Some(watch_at) = watch_at.filter(|_| first) {
        let watch = NewMessage::of(&WatchInvoice { payment_id: id });
        tx.enqueue(vec![watch.due_at(watch_at)]).await?;
    }
    Ok(())
}

/// The node will never make it: the payment ends.
///
/// # Errors
/// When the database does not answer.
pub async fn refused(tx: &mut Transaction, id: PaymentId, code: String, message: String) -> Result<(), DbErr> {
    if step(id, &[InvoiceStatus::Asked, InvoiceStatus::Sent], InvoiceStatus::Refused, &**tx).await? {
        let what = Observation::InvoiceRefused { code, message };
        record(tx, vec![Observed::new(id, what, Actor::worker("ask_invoice"))]).await?;
    }
    Ok(())
}

/// The node has the money. Once, however often it is reported; also of an invoice that was given up.
///
/// # Errors
/// When the database does not answer.
pub async fn settled(tx: &mut Transaction, id: PaymentId, received_sat: i64, data: Value) -> Result<(), DbErr> {
    use lightning_invoice::Column as C;
    let from = [InvoiceStatus::Open, InvoiceStatus::Expired];
    let update = moving(id, &from, InvoiceStatus::Settled).col_expr(C::ReceivedSat, Expr::value(received_sat));
    // An invoice that expired before we knew its hash is made known first, by `found_late`.
    let known = Expr::cust("payment_hash IS NOT NULL");
    if update.filter(known).exec(&**tx).await?.rows_affected == 0 {
        return Ok(());
    }
    let what = Observation::InvoiceSettled { data };
    record(tx, vec![Observed::new(id, what, Actor::worker("ask_invoice"))]).await?;
    Ok(())
}

/// The node has an invoice that had been given up before its answer was known.
///
/// # Errors
/// When the database does not answer.
pub async fn found_late(tx: &Transaction, id: PaymentId, payment_hash: &str, bolt11: &str) -> Result<(), DbErr> {
    use lightning_invoice::Column as C;
    let update = moving(id, &[InvoiceStatus::Expired], InvoiceStatus::Expired)
        .col_expr(C::PaymentHash, Expr::value(payment_hash))
        .col_expr(C::Bolt11, Expr::value(bolt11))
        .filter(C::PaymentHash.is_null());
    update.exec(&**tx).await.map(drop)
}

/// Nobody has paid in time, as the node says itself.
///
/// # Errors
/// When the database does not answer.
pub async fn expired(tx: &mut Transaction, id: PaymentId) -> Result<(), DbErr> {
    let live = [InvoiceStatus::Asked, InvoiceStatus::Sent, InvoiceStatus::Open];
    if step(id, &live, InvoiceStatus::Expired, &**tx).await? {
        record(tx, vec![Observed::new(id, Observation::Expired, Actor::worker("watch_invoice"))]).await?;
    }
    Ok(())
}

/// Sends the messages anew of live invoices that nobody has polled for so long, and returns how many those were.
///
/// # Errors
/// When the database does not answer.
pub async fn send_again(tx: &mut Transaction, patience: TimeDelta, most: u64) -> Result<usize, DbErr> {
    use lightning_invoice::Column as C;
    let kinds = [AskInvoice::TYPE, WatchInvoice::TYPE];
    let aside = set_aside(&kinds, "lightning_invoices.payment_id", "lightning_invoices.updated_at");
    let lost = lightning_invoice::Entity::find()
        .filter(Expr::cust(LIVE))
        .filter(Expr::cust(format!("NOT {aside}")))
        .filter(C::UpdatedAt.lt(now() - patience))
        .order_by_asc(C::UpdatedAt)
        .limit(most)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    let messages = lost.iter().map(|invoice| {
        let payment_id = invoice.payment_id;
        match invoice.status {
            InvoiceStatus::Open => NewMessage::of(&WatchInvoice { payment_id }),
            _ => NewMessage::of(&AskInvoice { payment_id }),
        }
    });
    tx.enqueue(messages.collect()).await?;
    lightning_invoice::Entity::update_many()
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::PaymentId.is_in(lost.iter().map(|invoice| invoice.payment_id)))
        .exec(&**tx)
        .await?;
    Ok(lost.len())
}

async fn step<C: ConnectionTrait>(
    id: PaymentId,
    from: &[InvoiceStatus],
    to: InvoiceStatus,
    db: &C,
) -> Result<bool, DbErr> {
    Ok(moving(id, from, to).exec(db).await?.rows_affected > 0)
}

fn moving(id: PaymentId, from: &[InvoiceStatus], to: InvoiceStatus) -> UpdateMany<lightning_invoice::Entity> {
    use lightning_invoice::Column as C;
    lightning_invoice::Entity::update_many()
        .col_expr(C::Status, Expr::value(to))
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::PaymentId.eq(id))
        .filter(C::Status.is_in(from.iter().copied()))
}
