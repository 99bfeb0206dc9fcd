//! Payments as a till writes them down, corrects them and takes them back; reads show those of every contract.

use std::collections::HashMap;

use entities::{PaymentId, PaymentMethod, payment, payment_method};
use payments::till::{self, Asked, Entry};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};
use rust_decimal::Decimal;
use sea_orm::{DbErr, EntityTrait};
use uuid::Uuid;

use super::{Declined, in_body};
use crate::{
    access::{Allowed, PaymentsCreate, PaymentsDelete, PaymentsRead, PaymentsUpdate},
    answer::{Created, Gone},
    body::Body,
    edge::RequestId,
    idempotent::{IdempotencyKey, Once},
    money::{ExactInput, Money, MoneyInput},
    paging::{Limit, after_cursor, cursor_after},
    problem::{Code, Location, Problem},
    query_text::QueryText,
    resources::Tag,
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
    /// The till's own name for it; a node has each only once, whichever contract a payment came in by.
    #[oai(validator(max_length = 255))]
    transaction_id: String,
    /// The amount in the currency's main unit, with no more fraction digits than the currency has.
    amount: MoneyInput,
}

impl Example for TillEntry {
    fn example() -> Self {
        Self {
            method_id: "00000000-0000-7000-8000-0000000000b1".to_owned(),
            currency_id: "00000000-0000-7000-8000-0000c0000978".to_owned(),
            transaction_id: "till-3-000187".to_owned(),
            amount: ExactInput(Decimal::new(1250, 2)),
        }
    }
}

impl TryFrom<TillEntry> for Entry {
    type Error = Problem;

    fn try_from(entry: TillEntry) -> Result<Self, Problem> {
        let TillEntry { method_id, currency_id, transaction_id, amount } = entry;
        if transaction_id.trim().is_empty() {
            return Err(Problem::invalid("/transaction_id", "must not be blank"));
        }
        Ok(Self { method_id, currency_id, transaction_id, amount: amount.0 })
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
    /// The till's name for it; of a payment of another contract its external id.
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

/// A page of payments.
#[derive(ApiResponse)]
enum PaymentsAnswer {
    /// The payments, newest first.
    #[oai(status = 200)]
    Some(
        Json<Vec<TillPayment>>,
        /// Where the list goes on, as `<…>; rel="next"`; missing at its end.
        #[oai(header = "Link")]
        Option<String>,
    ),
    /// There are none; there is no body.
    #[oai(status = 204)]
    None,
}

pub(crate) struct PaymentsTaken(pub(crate) State);

#[OpenApi(prefix_path = "/payments", tag = "Tag::Till")]
impl PaymentsTaken {
    /// List payments at a till
    ///
    /// All payments in the caller's reach, whichever contract they came in by, newest first: a thousand, or `limit`. The
    /// header `Link` names the next page.
    #[oai(path = "/", method = "get", operation_id = "list_till_payments")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Payments a page, 1 to 1000.
        #[oai(default)]
        limit: Query<Limit>,
        /// The `cursor` of the page's own link.
        cursor: Query<Option<QueryText>>,
    ) -> Result<PaymentsAnswer, Declined> {
        let wrong = || Problem::new(Code::ValidationFailed).wrong("/cursor", Location::Query, "is none of ours");
        let after = match &cursor.0 {
            Some(cursor) => Some(PaymentId(after_cursor(&cursor.0).ok_or_else(wrong)?)),
            None => None,
        };
        let (db, limit) = (&**self.0.db(), limit.0.0);
        let mut rows = till::list(db, &caller, after, u64::from(limit) + 1).await?;
        if rows.is_empty() {
            return Ok(PaymentsAnswer::None);
        }
        let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = rows
            .last()
            .filter(|_| more)
            .map(|last| format!("</payments?limit={limit}&cursor={}>; rel=\"next\"", cursor_after(last.id.0)));
        Ok(PaymentsAnswer::Some(Json(self.show(rows).await?), next))
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
        let payment = till::find(&**self.0.db(), &caller, payment_id(&id.0)?).await.map_err(till::TillError::from)?;
        let shown = self.show(vec![payment]).await?.pop();
        Ok(Json(shown.ok_or_else(|| Problem::not_found("Payment"))?))
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
        key: Header<Option<IdempotencyKey>>,
        body: Body<TillEntry, true>,
    ) -> Result<Created<Added>, Declined<409, 422>> {
        let entry = Entry::try_from(body.value)?;
        let (state, target) = (&self.0, "POST /payments".to_owned());
        let once = Once { state, caller: &*caller, key: key.0, target, body: &body.canonical };
        let added = once.create(async |tx| {
            let asked = Asked { actor: caller.actor(), request_id: Some(request_id.to_string()) };
            let id = till::take(tx, caller.node_id, entry, asked).await.map_err(in_body)?;
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
        let (entry, id) = (Entry::try_from(body.value)?, payment_id(&id.0)?);
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
    ) -> Result<Gone, Declined<404, 409>> {
        let id = payment_id(&id.0)?;
        let mut tx = self.0.db().begin().await?;
        till::delete(&mut tx, &caller, id, Some(request_id.to_string())).await?;
        tx.commit().await?;
        Ok(Gone::Gone)
    }
}

impl PaymentsTaken {
    async fn show(&self, rows: Vec<payment::Model>) -> Result<Vec<TillPayment>, Problem> {
        let methods = methods(&self.0).await?;
        let shown = rows.into_iter().map(|payment| {
            let method_id =
                methods.get(&payment.payment_method).copied().ok_or_else(|| Problem::new(Code::Internal))?;
            Ok(TillPayment {
                id: payment.id.0,
                method_id,
                currency_id: payment.currency_id.0,
                transaction_id: payment.external_id,
                amount: payment.paid_price.into(),
            })
        });
        shown.collect()
    }
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
