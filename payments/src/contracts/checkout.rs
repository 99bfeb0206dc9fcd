//! Payments that a hosted checkout takes: a shop requests one, its payer picks a gateway on our page. What the contract
//! says of a payment beside what every payment has is a row of `checkouts`; the payment's row is the lock under which
//! all of it is decided.

mod event_format;
mod list;
mod view;

use chrono::TimeDelta;
use entities::{
    Amount, GatewaySessionKind, NodeId, PaymentId, PaymentMethod, RedirectMode, checkout, currency, gateway_session,
    now, payment,
};
use queue::{NewMessage, Transaction};
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::{
    event_format::{FormattedEvent, format_events},
    list::{Attribute, Order, SORTED_MAX, page, page_statement},
    view::{Checkout, Status, load},
};
use crate::{
    caller::{Actor, Caller, RequestedBy},
    jobs::CheckSession,
    listing::Listing,
    lock::Locked,
    money::{self, AmountError},
    observation::{AtGateway, Observation, Outcome},
    off_chain::{self, OffChain},
    reach::{self, Denied},
    record::observe,
    sessions::{self, NewSession, SessionError},
};

/// How long a payer has from the shop's request on.
const PAYABLE_FOR: TimeDelta = TimeDelta::hours(24);

/// A payment that a shop requests. Shapes are checked at the edge; everything that needs the database, here.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `checkout.md`")]
pub struct NewCheckout {
    pub total: Decimal,
    /// Three letters of ISO 4217.
    pub currency: String,
    pub payment_method: PaymentMethod,
    /// As it was sent.
    pub purchase: Value,
    pub redirect_mode: RedirectMode,
    pub locale: Option<String>,
    pub channels: Option<Value>,
    pub terminal_id: Option<Uuid>,
    pub payer: Option<Value>,
    pub client_id: Option<String>,
    pub client_note: Option<String>,
    pub source: Option<String>,
    pub cancel_url: Option<String>,
    pub success_url: Option<String>,
}

/// How a payer pays.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The gateway's three letters.
    pub source: String,
    /// What the core calls paying there.
    pub payment_method: PaymentMethod,
    /// The payer's phone, where the form has a field for it.
    pub phone: Option<String>,
}

/// Why a shop or a payer was refused. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The payment is not there, or out of reach.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No currency has this code.
    #[error("is not a currency of ISO 4217 that can be paid here")]
    UnknownCurrency,
    /// The amount is none of the currency.
    #[error("{0}")]
    Amount(#[from] AmountError),
    /// The shop has a payment with this reference.
    #[error("A payment with this clientId exists already")]
    ClientIdTaken,
    /// Somebody has chosen already, or the payment has gone on.
    #[error("The payment is {0} and cannot be submitted")]
    NotSubmittable(Status),
    /// The payment has gone on, so that it can no longer be canceled.
    #[error("The payment is {0} and cannot be canceled")]
    NotCancelable(Status),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The payer's name where one is needed: as it was given, or joined from its parts.
#[must_use]
pub fn payer_name(payer: &Value) -> Option<String> {
    let text = |name: &str| payer[name].as_str().map(str::trim).filter(|text| !text.is_empty());
    if let Some(full) = text("fullName") {
        return Some(full.to_owned());
    }
    let parts: Vec<&str> = ["firstName", "lastName"].into_iter().filter_map(text).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Fraction digits as this contract has them: the ariary's fifths are never written.
#[must_use]
pub fn decimals(currency: &currency::Model) -> u32 {
    if currency.symbol == "MGA" { 0 } else { u32::try_from(currency.decimals).unwrap_or(0) }
}

/// The currency of ISO 4217 with this code.
///
/// # Errors
/// When the database does not answer.
pub async fn find_currency<C: ConnectionTrait>(db: &C, code: &str) -> Result<Option<currency::Model>, DbErr> {
    currency::Entity::find()
        .filter(currency::Column::Symbol.eq(code))
        .filter(currency::Column::NetworkId.is_null())
        .filter(currency::Column::DeletedAt.is_null())
        .one(db)
        .await
}

/// Takes the payment in: created and open, so that its payer may choose a gateway, in the caller's transaction.
///
/// # Errors
/// [`CheckoutError`].
pub async fn create(
    tx: &mut Transaction,
    node_id: NodeId,
    new: NewCheckout,
    requested_by: RequestedBy,
) -> Result<payment::Model, CheckoutError> {
    let currency = find_currency(&**tx, &new.currency).await?.ok_or(CheckoutError::UnknownCurrency)?;
    let total = money::check(new.total, decimals(&currency))?;
    let new_row = OffChain {
        node_id,
        external_id: new.client_id.clone().unwrap_or_default(),
        currency_id: currency.id,
        amount: Amount(total),
        payment_method: new.payment_method,
        payment_address: "checkout".to_owned(),
    };
    let mut row = off_chain::row(new_row, &off_chain::network(&**tx).await?);
    row.expires_at = now() + PAYABLE_FOR;
    if new.client_id.is_none() {
        row.external_id = row.id.to_string();
    }
    let payment_id = row.id;
    if !off_chain::insert(tx, row, &requested_by).await? {
        return Err(CheckoutError::ClientIdTaken);
    }
    keep(tx, payment_id, new).await?;
    let what = Observation::Gateway(AtGateway::Payable);
    Ok(observe(tx, payment_id, what, &requested_by).await?.1)
}

async fn keep(tx: &Transaction, payment_id: PaymentId, new: NewCheckout) -> Result<(), DbErr> {
    let row = checkout::Model {
        payment_id,
        redirect_mode: new.redirect_mode,
        locale: new.locale,
        channels: new.channels,
        terminal_id: new.terminal_id,
        payer: new.payer,
        purchase: new.purchase,
        client_id: new.client_id,
        client_note: new.client_note,
        source: new.source,
        cancel_url: new.cancel_url,
        success_url: new.success_url,
    };
    checkout::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    Ok(())
}

/// Checkouts of payments that came in by the contract of deals, so that their payers have a page, too: the hosted one.
pub(crate) async fn of_payments(tx: &Transaction, payments: &[&payment::Model]) -> Result<(), DbErr> {
    if payments.is_empty() {
        return Ok(());
    }
    let currencies = payments.iter().map(|payment| payment.currency_id);
    let currencies = currency::Entity::find().filter(currency::Column::Id.is_in(currencies)).all(&**tx).await?;
    let symbol = |payment: &payment::Model| {
        let currency = currencies.iter().find(|currency| currency.id == payment.currency_id);
        currency.map(|currency| currency.symbol.clone()).unwrap_or_default()
    };
    let rows = payments.iter().map(|payment| {
        let total = json!({ "value": payment.paid_price.to_string(), "currency": symbol(payment) });
        let row = checkout::Model {
            payment_id: payment.id,
            redirect_mode: RedirectMode::Hosted,
            locale: None,
            channels: None,
            terminal_id: None,
            payer: None,
            purchase: json!({ "total": total }),
            client_id: Some(payment.external_id.clone()),
            client_note: None,
            source: None,
            cancel_url: None,
            success_url: None,
        };
        row.into_active_model()
    });
    checkout::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    Ok(())
}

/// Payments of this contract in the caller's reach. Written so that PostgreSQL looks each up while it walks the payments in
/// order: of `EXISTS` it makes a join, for which it reads all checkouts there are.
#[must_use]
pub fn within(caller: &Caller) -> Listing<payment::Entity> {
    let is_checkout = "(SELECT 1 FROM checkouts WHERE checkouts.payment_id = payments.id) IS NOT NULL";
    Listing::within(caller).filter(Expr::cust(is_checkout))
}

/// The payment, if it is one of this contract and its node is in reach.
///
/// # Errors
/// [`Denied`].
pub async fn find<C: ConnectionTrait>(db: &C, caller: &Caller, id: PaymentId) -> Result<Checkout, Denied> {
    let payment = reach::find_payment(db, caller, id).await?;
    load(db, vec![payment]).await?.pop().ok_or(Denied::NotFound)
}

/// The payment for anybody who holds its id, as payers do.
///
/// # Errors
/// When the database does not answer.
pub async fn find_for_payer<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<Option<Checkout>, DbErr> {
    // Everybody who was given the link may see what a payer sees; nothing moves without a signature of ours.
    let Some(payment) = payment::Entity::find().filter(payment::Column::Id.eq(id)).one(db).await? else {
        return Ok(None);
    };
    Ok(load(db, vec![payment]).await?.pop())
}

/// Cancels the payment; that `requested_by` may do so is checked by the caller of this function.
///
/// # Errors
/// [`CheckoutError::NotCancelable`] when it was canceled before, or has gone on too far.
pub async fn cancel(tx: &mut Transaction, id: PaymentId, requested_by: RequestedBy) -> Result<Checkout, CheckoutError> {
    let (mut locked, before) = lock(tx, id).await?;
    let cancelable = matches!(before.status(), Status::Init | Status::Pending | Status::Submitted);
    if !cancelable || !matches!(locked.observe(Observation::CancelRequested, &requested_by), Outcome::Moved(_)) {
        return Err(CheckoutError::NotCancelable(before.status()));
    }
    let payment = locked.save(tx).await?;
    loaded(tx, payment).await
}

/// Chooses the gateway and has the payment opened there. Of several at once one does.
///
/// # Errors
/// [`CheckoutError::NotSubmittable`] unless the payment is `pending`.
pub async fn submit(
    tx: &mut Transaction,
    id: PaymentId,
    choice: Choice,
    requested_by: RequestedBy,
) -> Result<gateway_session::Model, CheckoutError> {
    let (_, before) = lock(tx, id).await?;
    if let Some(phone) = choice.phone {
        let mut payer = before.checkout.payer.clone().filter(Value::is_object).unwrap_or_else(|| json!({}));
        payer["phone"] = json!(phone);
        checkout::Entity::update_many()
            .col_expr(checkout::Column::Payer, Expr::value(payer))
            .filter(checkout::Column::PaymentId.eq(id))
            .exec(&**tx)
            .await?;
    }
    let new = NewSession {
        payment_id: id,
        source: choice.source,
        kind: GatewaySessionKind::Checkout,
        payment_method: choice.payment_method,
        account: None,
        fee: None,
        requested_by,
    };
    match sessions::begin(tx, new).await {
        Ok(session) => Ok(session),
        Err(SessionError::Database(error)) => Err(error.into()),
        // Open, but too late: it is canceled in a moment.
        Err(SessionError::Late) => Err(CheckoutError::NotSubmittable(Status::Canceled)),
        Err(SessionError::NotPayable(_) | SessionError::Live(_)) => Err(CheckoutError::NotSubmittable(before.status())),
    }
}

/// Has the payment polled at its gateway, because its payer has come back from there.
///
/// # Errors
/// When the database does not answer.
pub async fn request_check(tx: &mut Transaction, id: PaymentId) -> Result<(), DbErr> {
    tx.enqueue(vec![NewMessage::of(&CheckSession::new(id, None))]).await?;
    Ok(())
}

/// The payment as it stands, locked until the transaction ends.
async fn lock(tx: &Transaction, id: PaymentId) -> Result<(Locked, Checkout), CheckoutError> {
    let locked = Locked::find(tx, id).await?.ok_or(Denied::NotFound)?;
    let checkout = loaded(tx, locked.payment().clone()).await?;
    Ok((locked, checkout))
}

async fn loaded(tx: &Transaction, payment: payment::Model) -> Result<Checkout, CheckoutError> {
    Ok(load(&**tx, vec![payment]).await?.pop().ok_or(Denied::NotFound)?)
}

/// How a payer stands in the payment's log.
#[must_use]
pub fn by_payer(request_id: Option<String>) -> RequestedBy {
    RequestedBy { actor: Actor::payer(), request_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_joined_where_one_is_needed() {
        for (payer, name) in [
            (json!({ "fullName": "Ada Soilihi", "firstName": "A." }), Some("Ada Soilihi")),
            (json!({ "firstName": "Ada", "lastName": " Soilihi " }), Some("Ada Soilihi")),
            (json!({ "lastName": "Soilihi", "fullName": "" }), Some("Soilihi")),
            (json!({ "email": "ada@example.org", "firstName": null }), None),
        ] {
            assert_eq!(payer_name(&payer).as_deref(), name, "{payer}");
        }
    }
}
