//! Payments as a till writes them down, corrects them and takes them back; reads show those of every contract.

use std::collections::HashMap;

use entities::{PaymentId, PaymentMethod, payment_method};
use payments::{
    Caller,
    till::{self, Entry, Shown},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{DbErr, EntityTrait};
use uuid::Uuid;

use super::{
    Declined, Tag, in_body,
    list::{self, ListResponse, Pages},
    transaction_id::TransactionId,
};
use crate::{
    access::{Allowed, PaymentsCreate, PaymentsDelete, PaymentsRead, PaymentsUpdate},
    body::Body,
    edge::RequestId,
    idempotent::Once,
    money::{ExactInput, Money, MoneyInput},
    paging::Limit,
    problem::{Code, Problem},
    query_text::QueryText,
    response::{Created, NoContent},
    state::State,
};

/// A payment that a till has taken.
#[derive(Object)]
#[oai(rename = "TillEntry", example)]
pub(super) struct TillEntry {
    /// How it was paid, one of `/payments/methods`.
    #[oai(validator(max_length = 255))]
    method_id: String,
    /// The currency, one of `/payments/currencies`.
    #[oai(validator(max_length = 255))]
    currency_id: String,
    /// The till's own name for it, up to 1,024 characters; a node has each only once, whichever contract a payment came in
    /// by. Blank or null for none, which any number of payments may have.
    transaction_id: TransactionId,
    /// The amount in the currency's main unit, with no more fraction digits than the currency has.
    amount: MoneyInput,
}

impl Example for TillEntry {
    fn example() -> Self {
        Self {
            method_id: "00000000-0000-7000-8000-0000000000b1".to_owned(),
            currency_id: "00000000-0000-7000-8000-0000c0000978".to_owned(),
            transaction_id: TransactionId("till-3-000187".to_owned()),
            amount: ExactInput(Decimal::new(1250, 2)),
        }
    }
}

impl From<TillEntry> for Entry {
    fn from(entry: TillEntry) -> Self {
        let TillEntry { method_id, currency_id, transaction_id, amount } = entry;
        Self { method_id, currency_id, transaction_id: transaction_id.0, amount: amount.0 }
    }
}

/// A payment in the till's five fields.
#[derive(Object)]
#[oai(rename = "TillPayment")]
pub(super) struct TillPayment {
    id: Uuid,
    /// How it is paid.
    method_id: Uuid,
    currency_id: Uuid,
    /// The till's name for it, empty where it has none; of a payment of another contract its external id.
    transaction_id: String,
    /// In the currency's main unit.
    amount: Money,
}

/// A payment that was written down.
#[derive(Object)]
#[oai(rename = "TillPaymentAdded")]
pub(super) struct Added {
    id: Uuid,
    /// Always `Payment added successfully`.
    message: String,
}

pub(crate) struct PaymentsTaken(pub(crate) State);

#[OpenApi(prefix_path = "/payments", tag = "Tag::Till")]
impl PaymentsTaken {
    /// List payments at a till
    ///
    /// All payments in the caller's reach, whichever contract they came in by, newest first. With `limit` or `cursor` a page
    /// of them; the header `Link` then names the next.
    #[oai(path = "/", method = "get", operation_id = "list_till_payments")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Payments a page, 1 to 1000; all payments without it and without a cursor.
        limit: Query<Option<Limit>>,
        /// The `cursor` of the page's own link.
        cursor: Query<Option<QueryText>>,
    ) -> Result<ListResponse<TillPayment>, Declined> {
        let methods = methods(&self.0).await?;
        let payments = Payments { db: self.0.db().clone(), caller: Caller::clone(&caller), methods };
        Ok(list::respond(payments, "/payments", limit.0, cursor.0).await?)
    }

    /// Get a payment at a till
    ///
    /// 404 when it does not exist, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_till_payment")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The payment.
        id: Path<String>,
    ) -> Result<Json<TillPayment>, Declined<404>> {
        let payment = till::show(&**self.0.db(), &caller, payment_id(&id.0)?).await.map_err(till::TillError::from)?;
        Ok(Json(show(&methods(&self.0).await?, payment)?))
    }

    /// Write a payment down
    ///
    /// The till has the money, so that the payment is `completed` from the start. 400 also for a method or currency that
    /// is blank or unknown, 409 when the node has a payment with this `transaction_id`.
    #[oai(path = "/", method = "post", operation_id = "create_till_payment")]
    async fn create(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<TillEntry, true>,
    ) -> Result<Created<Added>, Declined<409, 422>> {
        let entry = Entry::from(body.value);
        let added = once.create(&caller, &body.canonical, async |tx| {
            let requested_by = caller.in_request(Some(request_id.to_string()));
            let id = till::take(tx, caller.node_id, entry, requested_by).await.map_err(in_body)?;
            Ok(Added { id: id.0, message: "Payment added successfully".to_owned() })
        });
        let added = added.await?;
        Ok(Created::at(format!("/payments/{}", added.id), added))
    }

    /// Correct a payment
    ///
    /// Of the till's own. 404 when it does not exist, and also for a method or currency that is blank or unknown; 409 when
    /// another payment has this `transaction_id`, or when the payment came in by another contract.
    #[oai(path = "/:id", method = "put", operation_id = "update_till_payment")]
    async fn update(
        &self,
        caller: Allowed<PaymentsUpdate>,
        request_id: RequestId,
        /// The payment.
        id: Path<String>,
        body: Body<TillEntry, true>,
    ) -> Result<Json<String>, Declined<404, 409>> {
        let (entry, id) = (Entry::from(body.value), payment_id(&id.0)?);
        let mut tx = self.0.db().begin().await?;
        till::correct(&mut tx, &caller, id, entry, Some(request_id.to_string())).await?;
        tx.commit().await?;
        Ok(Json("Payment updated successfully".to_owned()))
    }

    /// Delete a payment
    ///
    /// Of the till's own. It is canceled, and no longer listed; its `transaction_id` is free again. 409 when tickets refer
    /// to it, or when it came in by another contract.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_till_payment")]
    async fn delete(
        &self,
        caller: Allowed<PaymentsDelete>,
        request_id: RequestId,
        /// The payment.
        id: Path<String>,
    ) -> Result<NoContent, Declined<404, 409>> {
        let id = payment_id(&id.0)?;
        let mut tx = self.0.db().begin().await?;
        till::delete(&mut tx, &caller, id, Some(request_id.to_string())).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

/// The payments that a caller sees.
struct Payments {
    db: Database,
    caller: Caller,
    methods: HashMap<PaymentMethod, Uuid>,
}

impl Pages for Payments {
    type Row = Shown;
    type Item = TillPayment;

    async fn read(&self, behind: Option<Uuid>, limit: u64) -> Result<Vec<Shown>, DbErr> {
        till::list(&*self.db, &self.caller, behind.map(PaymentId), limit).await
    }

    fn id(row: &Shown) -> Uuid {
        row.id.0
    }

    fn show(&self, row: Shown) -> Result<TillPayment, Problem> {
        show(&self.methods, row)
    }
}

fn show(methods: &HashMap<PaymentMethod, Uuid>, payment: Shown) -> Result<TillPayment, Problem> {
    let method_id = methods.get(&payment.payment_method).copied().ok_or_else(|| Problem::new(Code::Internal))?;
    Ok(TillPayment {
        id: payment.id.0,
        method_id,
        currency_id: payment.currency_id.0,
        amount: payment.paid_price.into(),
        transaction_id: payment.transaction_id(),
    })
}

/// The till's ids of the methods; there are seven.
async fn methods(state: &State) -> Result<HashMap<PaymentMethod, Uuid>, DbErr> {
    let rows = payment_method::Entity::find().all(&**state.db()).await?;
    Ok(rows.into_iter().map(|row| (row.method, row.id.0)).collect())
}

/// The payment that a client names; what is no id names none.
pub(super) fn payment_id(text: &str) -> Result<PaymentId, Problem> {
    text.parse().map_err(|_| Problem::not_found("Payment"))
}
