//! The sandbox's Lightning node: the part of phoenixd's HTTP API that is used here, and a route by which anybody pays an
//! invoice. No money moves.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::DateTime;
use entities::{now, sandbox_object};
use gateways::{
    PhoenixdConfig,
    phoenixd::{call_back, make_invoice},
};
use poem::Body;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use queue::{Transaction, insert_unless_there};
use sea_orm::{DbErr, IntoActiveModel};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use url::form_urlencoded;
use uuid::Uuid;

use super::{by_id, by_reference, save};
use crate::{
    problem::{Code, Problem, Refused},
    state::State,
};

const INVOICE: &str = "lightning_invoice";

/// Longest form that is read, bytes.
const FORM_MAX: usize = 16 * 1_024;

pub(crate) struct SandboxLightning(pub(crate) State);

#[OpenApi(prefix_path = "/sandbox/lightning")]
impl SandboxLightning {
    /// Make an invoice
    #[oai(path = "/createinvoice", method = "post", operation_id = "sandbox_invoice", hidden = true)]
    async fn create(&self, authorization: Header<Option<String>>, body: Body) -> Result<Json<Value>, Refused> {
        self.authorize(authorization.0.as_deref())?;
        let unreadable = |_| Problem::new(Code::MalformedRequest).detail("The form cannot be read");
        let form = body.into_bytes_limit(FORM_MAX).await.map_err(unreadable)?;
        let field = |wanted: &str| {
            let mut fields = form_urlencoded::parse(&form);
            fields.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let number = |name: &str| field(name).map(|text| text.parse::<u32>().map_err(|_| wrong(name))).transpose();
        let amount_sat = number("amountSat")?.filter(|amount| *amount > 0).ok_or_else(|| wrong("amountSat"))?;
        let expiry_s = number("expirySeconds")?.unwrap_or(3_600);
        let description = field("description").ok_or_else(|| wrong("description"))?;
        let invoice = self.make(amount_sat, &description, expiry_s, field("externalId")).await?;
        Ok(Json(json!({
            "amountSat": invoice["requestedSat"], "paymentHash": invoice["paymentHash"],
            "serialized": invoice["invoice"],
        })))
    }

    /// Look at an invoice
    #[oai(path = "/payments/incoming/:hash", method = "get", operation_id = "sandbox_incoming", hidden = true)]
    async fn incoming(
        &self,
        authorization: Header<Option<String>>,
        hash: Path<String>,
    ) -> Result<Json<Value>, Refused<404>> {
        self.authorize(authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let known = by_hash(&tx, &hash.0).await?;
        Ok(Json(invoice_body(known.ok_or_else(|| Problem::not_found("Payment"))?)))
    }

    /// Look for invoices
    #[oai(path = "/payments/incoming", method = "get", operation_id = "sandbox_incoming_list", hidden = true)]
    async fn list(
        &self,
        authorization: Header<Option<String>>,
        #[oai(name = "externalId")] reference: Query<String>,
        all: Query<Option<bool>>,
    ) -> Result<Json<Value>, Refused> {
        self.authorize(authorization.0.as_deref())?;
        let Ok(reference) = reference.0.parse() else { return Ok(Json(json!([]))) };
        let tx = self.0.db().begin().await?;
        let known = by_reference(&tx, INVOICE, reference).await?;
        let shown = known.filter(|known| all.0 == Some(true) || known.body["isPaid"] == true);
        Ok(Json(shown.map(invoice_body).into_iter().collect()))
    }

    /// Pay an invoice
    #[oai(path = "/invoices/:hash/pay", method = "post", operation_id = "sandbox_pay_invoice", hidden = true)]
    async fn pay(&self, hash: Path<String>) -> Result<Json<Value>, Refused<404, 409>> {
        let node = self.node()?.clone();
        let tx = self.0.db().begin().await?;
        let known = by_hash(&tx, &hash.0).await?.ok_or_else(|| Problem::not_found("Payment"))?;
        let mut body = invoice_body(known.clone());
        if body["isPaid"] == true || body["isExpired"] == true {
            return Err(Problem::conflict("The invoice is paid or its time is over").into());
        }
        body["isPaid"] = json!(true);
        body["receivedSat"] = body["requestedSat"].clone();
        body["completedAt"] = json!(now().timestamp_millis());
        save(&tx, known, body.clone()).await?;
        tx.commit().await?;
        let callback = json!({
            "type": "payment_received", "timestamp": body["completedAt"], "amountSat": body["receivedSat"],
            "paymentHash": body["paymentHash"], "externalId": body["externalId"],
        });
        // As a node would: whoever pays does not wait for it.
        tokio::spawn(async move { call_back(&node, &callback.to_string()).await });
        Ok(Json(json!({ "paymentHash": body["paymentHash"], "preimage": body["preimage"] })))
    }
}

impl SandboxLightning {
    /// Where the node is not played, nothing is there.
    fn node(&self) -> Result<&PhoenixdConfig, Problem> {
        let node = self.0.config().lightning.phoenixd.as_ref().filter(|node| node.is_sandbox);
        node.ok_or_else(|| Problem::not_found("Sandbox"))
    }

    fn authorize(&self, authorization: Option<&str>) -> Result<(), Problem> {
        let password = self.node()?.password.expose_secret();
        let given = authorization.and_then(|value| value.strip_prefix("Basic ")).unwrap_or_default();
        let given = STANDARD.decode(given).unwrap_or_default();
        let wanted = format!(":{password}");
        if bool::from(given.ct_eq(wanted.as_bytes())) { Ok(()) } else { Err(Problem::new(Code::Unauthorized)) }
    }

    /// A second invoice under one reference is the first one here, so that each is found by its key.
    async fn make(
        &self,
        amount_sat: u32,
        description: &str,
        expiry_s: u32,
        external_id: Option<String>,
    ) -> Result<Value, Problem> {
        use sandbox_object::Column as C;
        let now = now();
        let made = make_invoice(u64::from(amount_sat), description, u64::from(expiry_s), now);
        let made = made.ok_or_else(|| Problem::new(Code::Internal))?;
        let id = id_of(&made.payment_hash).ok_or_else(|| Problem::new(Code::Internal))?;
        let reference = external_id.as_deref().and_then(|text| text.parse().ok()).unwrap_or(id);
        let created_at = now.timestamp_millis();
        let body = json!({
            "type": "incoming_payment", "subType": "lightning", "paymentHash": made.payment_hash,
            "preimage": made.preimage, "externalId": external_id, "description": description, "invoice": made.bolt11,
            "isPaid": false, "isExpired": false, "requestedSat": amount_sat, "receivedSat": 0, "fees": 0,
            "completedAt": null, "createdAt": created_at, "expiresAt": created_at + i64::from(expiry_s) * 1_000,
        });
        let row =
            sandbox_object::Model { id, kind: INVOICE.to_owned(), reference, body, created_at: now, updated_at: now };
        let tx = self.0.db().begin().await?;
        insert_unless_there(&*tx, row.into_active_model(), [C::Kind, C::Reference]).await?;
        let known = by_reference(&tx, INVOICE, reference).await?.ok_or_else(|| Problem::new(Code::Internal))?;
        tx.commit().await?;
        Ok(known.body)
    }
}

/// As the node tells it now.
fn invoice_body(known: sandbox_object::Model) -> Value {
    let mut body = known.body;
    let over = body["expiresAt"].as_i64().and_then(DateTime::from_timestamp_millis).is_some_and(|end| end < now());
    body["isExpired"] = json!(over && body["isPaid"] == false);
    body
}

/// The row's key comes of the hash.
fn id_of(payment_hash: &str) -> Option<Uuid> {
    payment_hash.get(..32)?.parse().ok()
}

async fn by_hash(tx: &Transaction, payment_hash: &str) -> Result<Option<sandbox_object::Model>, DbErr> {
    let Some(id) = id_of(payment_hash) else { return Ok(None) };
    let known = by_id(tx, INVOICE, id).await?;
    Ok(known.filter(|known| known.body["paymentHash"] == payment_hash))
}

fn wrong(name: &str) -> Problem {
    Problem::new(Code::ValidationFailed).detail(format!("{name} is missing or wrong"))
}
