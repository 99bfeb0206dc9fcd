//! The built-in gateway, which moves no money: an HTTP client, like every adapter, of routes that our own API serves.
//!
//! Amounts that end in 13 are declined, and those that end in 14 are not answered in time although they were carried
//! out.

use reqwest::Method;
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Callback, CallbackRefused, Error, Gateway, Handle, Notification, Order, Payment, Refund, Refunded, SandboxConfig,
    Source, State,
    http::{self, Effect, Http},
};

/// Longer than this nobody waits for it, milliseconds.
const TIMEOUT_MS: u64 = 3_000;

/// A source that the sandbox stands for.
#[derive(Clone)]
pub struct Sandbox {
    client: SandboxClient,
    source: Source,
}

/// Speaks with the sandbox's routes.
#[derive(Clone)]
pub(crate) struct SandboxClient {
    http: Http,
    secret: SecretString,
}

impl SandboxClient {
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub(crate) fn new(config: &SandboxConfig) -> Result<Self, reqwest::Error> {
        Ok(Self { http: Http::new(&config.base_url, TIMEOUT_MS)?, secret: config.secret.clone() })
    }

    /// None when there is no such thing.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Value>, Error> {
        let reads = method == Method::GET;
        let mut request =
            self.http.request(method, &format!("/sandbox{path}")).bearer_auth(self.secret.expose_secret());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let effect = if reads { Effect::Reads } else { Effect::Writes };
        let response = http::send(request, effect).await?.checked(effect)?;
        match response.status {
            404 => Ok(None),
            402 => {
                let declined: Declined = response.read(effect)?;
                Err(Error::Declined { code: declined.code, message: declined.message })
            }
            _ if response.is_success() => response.read(effect).map(Some),
            status => Err(effect.lost(format!("answered {status}"))),
        }
    }
}

#[derive(Deserialize)]
struct Declined {
    code: String,
    message: String,
}

/// A payment or a refund as the routes return it.
#[derive(Deserialize)]
struct SandboxPayment {
    id: String,
    state: String,
    code: Option<String>,
    message: Option<String>,
    approve_url: Option<String>,
    client_secret: Option<SecretString>,
    #[serde(default)]
    captured: Decimal,
    #[serde(default)]
    refunded: Decimal,
    #[serde(default)]
    reversed: Decimal,
}

impl SandboxPayment {
    fn of(body: Value) -> Result<Self, Error> {
        serde_json::from_value(body).map_err(|error| Error::Unknown(error.to_string()))
    }

    fn state(&self) -> Result<State, Error> {
        Ok(match self.state.as_str() {
            "waiting" => State::Waiting,
            "captured" => State::Captured,
            "closed" => State::Closed,
            "failed" => State::Failed {
                code: self.code.clone().unwrap_or_default(),
                message: self.message.clone().unwrap_or_default(),
            },
            other => return Err(Error::Unknown(format!("the sandbox says {other}"))),
        })
    }

    fn payment(self) -> Result<Payment, Error> {
        Ok(Payment {
            state: self.state()?,
            gateway_id: self.id,
            charge_id: None,
            approve_url: self.approve_url.and_then(|url| url.parse().ok()),
            client_secret: self.client_secret,
            captured: self.captured,
            refunded: self.refunded,
            reversed: self.reversed,
        })
    }
}

impl Sandbox {
    /// Plays this source.
    ///
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub fn new(config: &SandboxConfig, source: Source) -> Result<Self, reqwest::Error> {
        Ok(Self { client: SandboxClient::new(config)?, source })
    }

    async fn payment(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Payment>, Error> {
        let Some(body) = self.client.call(method, path, body).await? else { return Ok(None) };
        SandboxPayment::of(body)?.payment().map(Some)
    }
}

fn refunded(body: Value) -> Result<Refunded, Error> {
    let payment = SandboxPayment::of(body)?;
    Ok(Refunded { state: payment.state()?, gateway_id: payment.id })
}

fn not_found() -> Error {
    Error::Unknown("the sandbox does not know the payment any more".to_owned())
}

fn path(handle: &Handle) -> Result<String, Error> {
    let id = handle.gateway_id.as_deref().ok_or_else(not_found)?;
    Ok(format!("/payments/{id}"))
}

#[async_trait::async_trait]
impl Gateway for Sandbox {
    async fn open(&self, order: &Order) -> Result<Payment, Error> {
        let returns = order.returns.as_ref();
        let body = json!({
            "reference": order.reference,
            "source": self.source.code(),
            "amount": order.amount.value.to_string(),
            "currency": order.amount.currency,
            "decimals": order.amount.decimals,
            "description": order.description,
            "success_url": returns.map(|returns| returns.success.as_str()),
            "cancel_url": returns.map(|returns| returns.cancel.as_str()),
            "account": order.on_behalf.as_ref().map(|seller| &seller.account),
            "fee": order.on_behalf.as_ref().map(|seller| seller.fee.to_string()),
        });
        self.payment(Method::POST, "/payments", Some(body)).await?.ok_or_else(not_found)
    }

    async fn look_up(&self, handle: &Handle) -> Result<Option<Payment>, Error> {
        let path = match &handle.gateway_id {
            Some(id) => format!("/payments/{id}"),
            None => format!("/payments?reference={}", handle.reference),
        };
        self.payment(Method::GET, &path, None).await
    }

    async fn capture(&self, handle: &Handle) -> Result<Payment, Error> {
        self.look_up(handle).await?.ok_or_else(not_found)
    }

    async fn close(&self, handle: &Handle) -> Result<Payment, Error> {
        self.payment(Method::POST, &format!("{}/close", path(handle)?), None).await?.ok_or_else(not_found)
    }

    async fn refund(&self, handle: &Handle, refund: &Refund) -> Result<Refunded, Error> {
        let body = json!({
            "reference": refund.reference,
            "amount": refund.amount.value.to_string(),
            "decimals": refund.amount.decimals,
            "fee": refund.fee.to_string(),
        });
        let path = format!("{}/refunds", path(handle)?);
        refunded(self.client.call(Method::POST, &path, Some(body)).await?.ok_or_else(not_found)?)
    }

    async fn look_up_refund(&self, _: &Handle, refund: &Refund) -> Result<Option<Refunded>, Error> {
        let path = format!("/refunds?reference={}", refund.reference);
        self.client.call(Method::GET, &path, None).await?.map(refunded).transpose()
    }

    /// It sends no callbacks: it is in the house, and says there itself what to poll.
    async fn receive(&self, _: &Callback<'_>) -> Result<Notification, CallbackRefused> {
        Err(CallbackRefused::Forged)
    }
}
