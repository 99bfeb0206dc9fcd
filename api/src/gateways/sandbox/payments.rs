//! Payments and refunds, as the sandbox's adapter asks for them.

use std::time::Duration;

use entities::sandbox_object;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{authorize, by_id, by_reference, put, save};
use crate::{
    problem::{Format, Problem, Refused, Wrong},
    state::State,
};

const PAYMENT: &str = "payment";
const REFUND: &str = "refund";

/// Longer than the adapter waits.
pub(super) const TOO_LONG: Duration = Duration::from_secs(4);

pub(crate) struct SandboxPayments(pub(crate) State);

/// What the sandbox answers.
#[derive(ApiResponse)]
pub(crate) enum SandboxResponse {
    /// The object.
    #[oai(status = 200)]
    Object(Json<Value>),
    /// It says no.
    #[oai(status = 402)]
    Declined(Json<Value>),
}

#[OpenApi(prefix_path = "/sandbox")]
impl SandboxPayments {
    /// Open a payment
    #[oai(path = "/payments", method = "post", operation_id = "sandbox_open", hidden = true)]
    async fn open(
        &self,
        authorization: Header<Option<String>>,
        body: Json<Value>,
    ) -> Result<SandboxResponse, Refused<402>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let mut body = body.0;
        let (amount, reference) = (amount(&body)?, reference(&body)?);
        if ends_in(&body, amount) == 13 {
            return Ok(declined("declined", "The sandbox declines amounts that end in 13"));
        }
        let tx = self.0.db().begin().await?;
        body["state"] = json!("waiting");
        let (known, new) = put(&tx, PAYMENT, reference, body).await?;
        tx.commit().await?;
        if new && ends_in(&known.body, amount) == 14 {
            tokio::time::sleep(TOO_LONG).await;
        }
        Ok(self.payment(known))
    }

    /// Look for a payment
    #[oai(path = "/payments", method = "get", operation_id = "sandbox_find", hidden = true)]
    async fn find(
        &self,
        authorization: Header<Option<String>>,
        reference: Query<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let known = by_reference(&tx, PAYMENT, reference.0).await?;
        Ok(self.payment(known.ok_or_else(|| Problem::not_found("Payment"))?))
    }

    /// Look at a payment
    #[oai(path = "/payments/:id", method = "get", operation_id = "sandbox_look", hidden = true)]
    async fn show(
        &self,
        authorization: Header<Option<String>>,
        id: Path<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let known = by_id(&tx, PAYMENT, id.0).await?;
        Ok(self.payment(known.ok_or_else(|| Problem::not_found("Payment"))?))
    }

    /// Close a payment
    #[oai(path = "/payments/:id/close", method = "post", operation_id = "sandbox_close", hidden = true)]
    async fn close(
        &self,
        authorization: Header<Option<String>>,
        id: Path<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        Ok(self.payment(change(&self.0, id.0, "waiting", |body| body["state"] = json!("closed")).await?))
    }

    /// Give money back
    #[oai(path = "/payments/:id/refunds", method = "post", operation_id = "sandbox_refund", hidden = true)]
    async fn refund(
        &self,
        authorization: Header<Option<String>>,
        id: Path<Uuid>,
        body: Json<Value>,
    ) -> Result<SandboxResponse, Refused<402, 404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let mut body = body.0;
        let (amount, reference) = (amount(&body)?, reference(&body)?);
        let tx = self.0.db().begin().await?;
        let payment = by_id(&tx, PAYMENT, id.0).await?.ok_or_else(|| Problem::not_found("Payment"))?;
        let left = decimal(&payment.body, "captured") - decimal(&payment.body, "refunded");
        let known = by_reference(&tx, REFUND, reference).await?;
        if known.is_none() && amount > left {
            return Ok(declined("charge_already_refunded", "There is not so much left of the payment"));
        }
        if known.is_none() && ends_in(&body, amount) == 13 {
            return Ok(declined("declined", "The sandbox declines amounts that end in 13"));
        }
        body["state"] = json!("captured");
        let (refund, new) = put(&tx, REFUND, reference, body).await?;
        if new {
            let mut changed = payment.body.clone();
            changed["refunded"] = json!((decimal(&changed, "refunded") + amount).to_string());
            save(&tx, payment, changed).await?;
        }
        tx.commit().await?;
        if new && ends_in(&refund.body, amount) == 14 {
            tokio::time::sleep(TOO_LONG).await;
        }
        Ok(object(refund))
    }

    /// Look for a refund
    #[oai(path = "/refunds", method = "get", operation_id = "sandbox_find_refund", hidden = true)]
    async fn find_refund(
        &self,
        authorization: Header<Option<String>>,
        reference: Query<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let known = by_reference(&tx, REFUND, reference.0).await?;
        Ok(object(known.ok_or_else(|| Problem::not_found("Refund"))?))
    }
}

impl SandboxPayments {
    fn payment(&self, known: sandbox_object::Model) -> SandboxResponse {
        let base_url = self.0.checkout_links().base_url();
        let (id, page) = (known.id, format!("{base_url}/sandbox/pay/{}", known.id));
        let mut body = known.body;
        body["approve_url"] = json!(page);
        if body["account"].is_string() {
            body["client_secret"] = json!(format!("sandbox_{}_secret", id.simple()));
        }
        body["id"] = json!(id);
        SandboxResponse::Object(Json(body))
    }
}

/// Changes a payment that is in this state; one in another stays as it is.
pub(super) async fn change(
    state: &State,
    id: Uuid,
    from: &str,
    change: impl FnOnce(&mut Value),
) -> Result<sandbox_object::Model, Problem> {
    let tx = state.db().begin().await?;
    let known = by_id(&tx, PAYMENT, id).await?.ok_or_else(|| Problem::not_found("Payment"))?;
    if known.body["state"] != from {
        return Ok(known);
    }
    let mut body = known.body.clone();
    change(&mut body);
    let known = save(&tx, known, body).await?;
    tx.commit().await?;
    Ok(known)
}

/// The payment, as it is.
pub(super) async fn read(state: &State, id: Uuid) -> Result<sandbox_object::Model, Problem> {
    let tx = state.db().begin().await?;
    by_id(&tx, PAYMENT, id).await?.ok_or_else(|| Problem::not_found("Payment"))
}

pub(super) fn object(known: sandbox_object::Model) -> SandboxResponse {
    let mut body = known.body;
    body["id"] = json!(known.id);
    SandboxResponse::Object(Json(body))
}

pub(super) fn declined(code: &str, message: &str) -> SandboxResponse {
    SandboxResponse::Declined(Json(json!({ "code": code, "message": message })))
}

pub(super) fn amount(body: &Value) -> Result<Decimal, Problem> {
    let amount = body["amount"].as_str().and_then(|amount| amount.parse().ok());
    amount.ok_or_else(|| Problem::invalid("/amount", Wrong::Rule("must be a decimal as text")))
}

pub(super) fn reference(body: &Value) -> Result<Uuid, Problem> {
    let reference = body["reference"].as_str().and_then(|reference| reference.parse().ok());
    reference.ok_or_else(|| Problem::invalid("/reference", Format::Uuid))
}

/// An amount of the object; nothing where it has none.
pub(super) fn decimal(body: &Value, name: &str) -> Decimal {
    body[name].as_str().and_then(|amount| amount.parse().ok()).unwrap_or_default()
}

/// The last two digits of an amount in the smallest unit.
pub(super) fn ends_in(body: &Value, amount: Decimal) -> u64 {
    use rust_decimal::prelude::ToPrimitive;

    let decimals = body["decimals"].as_u64().and_then(|decimals| u32::try_from(decimals).ok()).unwrap_or(2).min(8);
    let minor = amount * Decimal::from(10_u64.pow(decimals));
    (minor.trunc() % Decimal::ONE_HUNDRED).to_u64().unwrap_or_default()
}
