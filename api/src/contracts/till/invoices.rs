//! Payments by an invoice of the Lightning network, at a till.

use std::time::Duration;

use chrono::TimeDelta;
use entities::{InvoiceStatus, PaymentId, lightning_invoice};
use payments::{
    lightning::{self, InvoiceError, NewInvoice},
    rates::{RateError, Trusted},
    till::TillError,
};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Declined, Tag, in_body, payments_taken::payment_id};
use crate::{
    access::{Allowed, PaymentsCreate, PaymentsRead},
    body::Body,
    edge::RequestId,
    idempotent::Once,
    money::{ExactInput, Money, MoneyInput},
    problem::{Code, Problem},
    response::Created,
    state::State,
    time::Time,
    waiting::{Waiting, not_yet},
};

/// How often it is looked whether the node has answered.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// When somebody who was not served in time should come again, seconds.
const COME_AGAIN_S: u64 = 5;

/// What is to be paid by an invoice.
#[derive(Object)]
#[oai(rename = "LightningInvoiceRequest", example)]
struct InvoiceRequest {
    /// The amount in the currency's main unit, with no more fraction digits than the currency has.
    amount: MoneyInput,
    /// The currency, one of `/payments/currencies`. Unless it is bitcoin, a current exchange rate is needed.
    #[oai(validator(max_length = 255))]
    currency_id: String,
    /// A ticket that the payment covers.
    #[oai(validator(max_length = 255))]
    ticket_id: Option<String>,
}

impl Example for InvoiceRequest {
    fn example() -> Self {
        Self {
            amount: ExactInput(Decimal::new(12_500, 8)),
            currency_id: "00000000-0000-7000-8000-0000c0000b7c".to_owned(),
            ticket_id: None,
        }
    }
}

/// An invoice that a payer may pay.
#[derive(Object)]
#[oai(rename = "LightningInvoice")]
struct Invoice {
    /// The payment; it is `completed` when the node has the money.
    payment_id: Uuid,
    /// The invoice as wallets read it, BOLT 11; show it as a QR code.
    bolt11: String,
    /// 32 bytes in hex.
    payment_hash: String,
    /// What the payer pays, satoshis.
    amount_sat: i64,
    /// Nobody can pay it later.
    expires_at: Time,
}

/// How far an invoice is.
#[derive(Object)]
#[oai(rename = "LightningInvoiceStanding")]
struct InvoiceState {
    payment_id: Uuid,
    /// `asked`, `sent` (the node may be making it), `open` (it may be paid), `settled`, `expired` or `refused`.
    status: String,
    /// The invoice as wallets read it, once the node has made it.
    bolt11: Option<String>,
    /// 32 bytes in hex, once the node has made it.
    payment_hash: Option<String>,
    /// What the payer pays, satoshis.
    amount_sat: i64,
    /// What the node has received, satoshis.
    received_sat: Option<i64>,
    /// Nobody can pay it later.
    expires_at: Time,
    /// What a bitcoin was worth in the payment's currency when it was asked for; null for amounts in bitcoin.
    rate: Option<Money>,
    /// The same as text.
    rate_text: Option<String>,
    /// Who has set that rate.
    rate_source: Option<String>,
    /// When that rate was set.
    rate_at: Option<Time>,
}

impl From<lightning_invoice::Model> for InvoiceState {
    fn from(invoice: lightning_invoice::Model) -> Self {
        Self {
            payment_id: invoice.payment_id.0,
            status: invoice.status.word(),
            bolt11: invoice.bolt11,
            payment_hash: invoice.payment_hash,
            amount_sat: invoice.amount_sat,
            received_sat: invoice.received_sat,
            expires_at: invoice.expires_at.into(),
            rate: invoice.rate.map(Money::from),
            rate_text: invoice.rate.map(|rate| Money::from(rate).text()),
            rate_source: invoice.rate_source,
            rate_at: invoice.rate_at.map(Time),
        }
    }
}

/// What is kept with an idempotency key: the invoice itself is read again for each answer.
#[derive(Object)]
#[oai(rename = "LightningInvoiceOpened")]
struct Opened {
    payment_id: Uuid,
}

pub(crate) struct Invoices(pub(crate) State);

#[OpenApi(prefix_path = "/payments/lightning/invoices", tag = "Tag::Till")]
impl Invoices {
    /// Ask for a Lightning invoice
    ///
    /// The payment is `open` until the node has the money, and then `completed`. 400 also for a currency or ticket that is
    /// blank or unknown, and without a current exchange rate. 503 with `Retry-After` when the node does not answer in time:
    /// the payment stays, its invoice can be read later, and the same `Idempotency-Key` leads to the same payment.
    #[oai(path = "/", method = "post", operation_id = "create_lightning_invoice")]
    async fn create(
        &self,
        caller: Allowed<PaymentsCreate>,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<InvoiceRequest, true>,
    ) -> Result<Created<Invoice>, Declined<409, 422>> {
        let new = self.new_invoice(body.value)?;
        let opened = once.create(&caller, &body.canonical, async |tx| {
            let id = lightning::open(tx, &caller, new, Some(request_id.to_string())).await.map_err(refused)?;
            Ok(Opened { payment_id: id.0 })
        });
        let id = PaymentId(opened.await?.payment_id);
        // Outside of any transaction: the node may take its time.
        Ok(Created::at(format!("/payments/lightning/invoices/{id}"), self.made(id).await?))
    }

    /// Get a Lightning invoice
    ///
    /// By its payment. 404 when it does not exist or is paid otherwise, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_lightning_invoice")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The payment.
        id: Path<String>,
    ) -> Result<Json<InvoiceState>, Declined<404>> {
        let found = lightning::find(&**self.0.db(), &caller, payment_id(&id.0)?).await;
        Ok(Json(found.map_err(TillError::from)?.into()))
    }
}

impl Invoices {
    fn new_invoice(&self, request: InvoiceRequest) -> Result<NewInvoice, Problem> {
        let config = self.0.config();
        let node = config.lightning.phoenixd.as_ref().ok_or_else(|| {
            let detail = "No Lightning node is configured; whoever runs this sets gateways.lightning.phoenixd";
            // As a gateway that is not configured is answered: trying again does not help.
            Problem::new(Code::ValidationFailed).detail(detail)
        })?;
        let age_max = TimeDelta::seconds(i64::from(config.till.rate_max_age_s));
        Ok(NewInvoice {
            amount: request.amount.0,
            currency_id: request.currency_id,
            ticket_id: request.ticket_id,
            expiry: TimeDelta::seconds(i64::from(config.lightning.expiry_s)),
            trusted: Trusted { age_max, samples: node.is_sandbox },
        })
    }

    /// Waits until the node has made it.
    async fn made(&self, id: PaymentId) -> Result<Invoice, Problem> {
        let longest = Duration::from_millis(self.0.config().till.invoice_wait_ms);
        let mut waiting = Waiting::new(longest, POLL_EVERY);
        loop {
            let invoice = lightning::read(&**self.0.db(), id).await?;
            let invoice = invoice.ok_or_else(|| Problem::new(Code::Internal))?;
            if let (Some(bolt11), Some(payment_hash)) = (invoice.bolt11, invoice.payment_hash) {
                let (amount_sat, expires_at) = (invoice.amount_sat, invoice.expires_at);
                return Ok(Invoice {
                    payment_id: id.0,
                    bolt11,
                    payment_hash,
                    amount_sat,
                    expires_at: expires_at.into(),
                });
            }
            match invoice.status {
                InvoiceStatus::Refused => return Err(Problem::conflict("The Lightning node refuses this invoice")),
                InvoiceStatus::Expired => return Err(Problem::conflict("The time to pay this invoice is over")),
                InvoiceStatus::Asked | InvoiceStatus::Sent | InvoiceStatus::Open | InvoiceStatus::Settled => {}
            }
            if !waiting.pause().await {
                let detail = format!(
                    "The Lightning node has not answered yet. Payment {id} stays open; its invoice will be at \
                     /payments/lightning/invoices/{id}"
                );
                return Err(not_yet(detail, COME_AGAIN_S));
            }
        }
    }
}

fn refused(error: InvoiceError) -> Problem {
    match error {
        InvoiceError::Till(error) => in_body(error),
        InvoiceError::Rate(RateError::Database(error)) => error.into(),
        InvoiceError::Rate(error) => Problem::new(Code::ValidationFailed).detail(error.to_string()),
    }
}
