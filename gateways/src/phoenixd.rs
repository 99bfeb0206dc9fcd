//! A Lightning node, phoenixd, over its HTTP API.

mod bolt11;
mod sandbox;

pub use sandbox::{SandboxInvoice, call_back, make_invoice};

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use reqwest::{Client, Method, Response, StatusCode, header, redirect::Policy};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use sha2::Sha256;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use crate::{Callback, CallbackRefused, CallbackSubject, Error, Notification, PhoenixdConfig};

/// What signs a callback: the HMAC-SHA256 of its body, in hex.
const SIGNATURE: &str = "x-phoenix-signature";

/// Most of an answer that is read, bytes; what the node returns for one invoice is a few kilobytes.
const RESPONSE_MAX: usize = 1 << 20;

/// Longest text of the node's that is kept with a refusal, characters.
const REFUSAL_MAX: usize = 200;

/// A client of one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Phoenixd {
    http: Client,
    config: PhoenixdConfig,
}

/// An invoice that the node has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Lower-case hex.
    pub payment_hash: String,
    /// As payers read it.
    pub bolt11: String,
    /// What was paid, if it was.
    pub paid: Option<Received>,
}

/// What the node has received for an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What the node was left with.
    pub amount_sat: i64,
    /// What it paid for receiving it.
    pub fees_msat: i64,
    /// When it had all of it.
    pub at: DateTime<Utc>,
}

/// How an invoice is found again.
#[derive(Clone, Copy, Debug)]
pub enum InvoiceKey<'a> {
    /// Our reference, the node's `externalId`.
    Reference(Uuid),
    /// The payment hash, lower-case hex.
    Hash(&'a str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedInvoice {
    payment_hash: String,
    serialized: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IncomingPayment {
    payment_hash: String,
    invoice: Option<String>,
    is_paid: bool,
    #[serde(default)]
    received_sat: i64,
    #[serde(default)]
    fees: i64,
    completed_at: Option<i64>,
    #[serde(default)]
    created_at: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallbackBody {
    #[serde(rename = "type")]
    kind: String,
    payment_hash: Option<String>,
    external_id: Option<String>,
}

impl Phoenixd {
    /// For this node; nothing is sent yet.
    ///
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub fn new(config: &PhoenixdConfig) -> reqwest::Result<Self> {
        let timeout = Duration::from_millis(config.timeout_ms);
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .timeout(timeout)
            .connect_timeout(timeout)
            .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, config: config.clone() })
    }

    /// Has the node make an invoice. Not idempotent there: after [`Error::Unknown`] it has to be looked for by its
    /// reference before another one is made.
    pub async fn create_invoice(
        &self,
        reference: Uuid,
        amount_sat: i64,
        description: &str,
        expiry: Duration,
    ) -> Result<Invoice, Error> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("amountSat", &amount_sat.to_string())
            .append_pair("description", description)
            .append_pair("expirySeconds", &expiry.as_secs().to_string())
            .append_pair("externalId", &reference.to_string())
            .finish();
        let request = self
            .request(Method::POST, &["createinvoice"])?
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let response = request.send().await.map_err(|error| not_sent(error, Error::Unknown))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(nobody_there(response.status())),
            status => return Err(refusal(status, response, Error::Unknown).await),
        }
        let CreatedInvoice { payment_hash, serialized } = read(response).await.map_err(Error::Unknown)?;
        Ok(Invoice { payment_hash: hash(payment_hash).map_err(Error::Unknown)?, bolt11: serialized, paid: None })
    }

    /// Looks at an invoice. None when the node certainly does not have it; of several with one reference the oldest.
    ///
    /// # Errors
    /// [`Error`]; nothing has happened there in any case.
    pub async fn look_up(&self, key: InvoiceKey<'_>) -> Result<Option<Invoice>, Error> {
        let request = match key {
            InvoiceKey::Hash(hash) => self.request(Method::GET, &["payments", "incoming", hash])?,
            InvoiceKey::Reference(reference) => {
                let mut url = self.url(&["payments", "incoming"])?;
                // Without `all` the node only tells of those that are paid.
                url.query_pairs_mut().append_pair("externalId", &reference.to_string()).append_pair("all", "true");
                self.http.get(url).basic_auth("", Some(self.config.password.expose_secret()))
            }
        };
        let response = request.send().await.map_err(|error| not_sent(error, Error::Unavailable))?;
        let found: Vec<IncomingPayment> = match (response.status(), key) {
            (StatusCode::OK, InvoiceKey::Hash(_)) => vec![read(response).await.map_err(Error::Unavailable)?],
            (StatusCode::OK, InvoiceKey::Reference(_)) => read(response).await.map_err(Error::Unavailable)?,
            (StatusCode::NOT_FOUND, InvoiceKey::Hash(_)) => Vec::new(),
            (status @ StatusCode::NOT_FOUND, InvoiceKey::Reference(_)) => return Err(nobody_there(status)),
            (status, _) => return Err(refusal(status, response, Error::Unavailable).await),
        };
        // A paid one first: somebody may have been shown either.
        let best = found.into_iter().min_by_key(|incoming| (!incoming.is_paid, incoming.created_at));
        best.map(Invoice::try_from).transpose().map_err(Error::Unavailable)
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<reqwest::RequestBuilder, Error> {
        let url = self.url(path)?;
        // phoenixd takes any name of a user, and documents an empty one.
        Ok(self.http.request(method, url).basic_auth("", Some(self.config.password.expose_secret())))
    }

    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        let wrong = || Error::Misconfigured("gateways.lightning.phoenixd.base_url is no web address".to_owned());
        let mut url = Url::parse(&self.config.base_url).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path);
        Ok(url)
    }
}

impl TryFrom<IncomingPayment> for Invoice {
    type Error = String;

    fn try_from(incoming: IncomingPayment) -> Result<Self, String> {
        let IncomingPayment { payment_hash, invoice, is_paid, received_sat, fees, completed_at, .. } = incoming;
        let completed = completed_at.and_then(DateTime::from_timestamp_millis);
        let paid = || Received { amount_sat: received_sat, fees_msat: fees, at: completed.unwrap_or_else(Utc::now) };
        Ok(Self {
            payment_hash: hash(payment_hash)?,
            bolt11: invoice.ok_or("the node tells of an incoming payment without an invoice")?,
            paid: is_paid.then(paid),
        })
    }
}

impl PhoenixdConfig {
    /// Checks that a callback is the node's own, and what it is about: a payment by our reference, where it has one,
    /// and by its hash.
    pub fn receive(&self, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
        if self.webhook_secret.expose_secret().is_empty() {
            // Anybody could sign with it.
            return Err(CallbackRefused::Forged);
        }
        let signature = callback.header(SIGNATURE).ok_or(CallbackRefused::Forged)?;
        let signature = hex::decode(signature.trim()).map_err(|_| CallbackRefused::Forged)?;
        self.mac(callback.body).verify_slice(&signature).map_err(|_| CallbackRefused::Forged)?;
        let body: CallbackBody =
            serde_json::from_slice(callback.body).map_err(|error| CallbackRefused::Malformed(error.to_string()))?;
        if body.kind != "payment_received" {
            return Ok(Notification { event_id: None, about: CallbackSubject::Nothing });
        }
        let missing = || CallbackRefused::Malformed("paymentHash is missing".to_owned());
        let gateway_id = hash(body.payment_hash.ok_or_else(missing)?).map_err(CallbackRefused::Malformed)?;
        let reference = body.external_id.and_then(|id| id.parse().ok());
        Ok(Notification { event_id: None, about: CallbackSubject::Payment { reference, gateway_id: Some(gateway_id) } })
    }

    /// What the node signs a callback's body with.
    #[must_use]
    pub fn signature(&self, body: &[u8]) -> String {
        hex::encode(self.mac(body).finalize().into_bytes())
    }

    #[expect(clippy::expect_used, reason = "a key of HMAC may have any length")]
    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let secret = self.webhook_secret.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key length");
        mac.update(body);
        mac
    }
}

/// A payment hash as we keep it.
fn hash(text: String) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err("paymentHash is not 32 bytes in hex".to_owned())
    }
}

/// A request that had no answer: nothing has happened when nobody was reached, and `otherwise` when somebody may have
/// been.
fn not_sent(error: reqwest::Error, otherwise: fn(String) -> Error) -> Error {
    if error.is_connect() || error.is_builder() {
        return Error::Unavailable("the node cannot be reached".to_owned());
    }
    otherwise(
        if error.is_timeout() { "the node did not answer in time" } else { "the node's answer was lost" }.to_owned(),
    )
}

fn nobody_there(status: StatusCode) -> Error {
    Error::Misconfigured(format!("no phoenixd answers at gateways.lightning.phoenixd.base_url ({status})"))
}

async fn refusal(status: StatusCode, response: Response, otherwise: fn(String) -> Error) -> Error {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Error::Misconfigured("the node refuses gateways.lightning.phoenixd.password".to_owned())
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Error::Unavailable(format!("the node answered {status}"))
        }
        _ if status.is_client_error() => {
            let text = bytes(response).await.unwrap_or_default();
            let message = String::from_utf8_lossy(&text).chars().take(REFUSAL_MAX).collect();
            Error::Declined { code: format!("http_{}", status.as_u16()), message }
        }
        _ => otherwise(format!("the node answered {status}")),
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, String> {
    let bytes = bytes(response).await?;
    serde_json::from_slice(&bytes).map_err(|error| format!("the node's answer cannot be read: {error}"))
}

async fn bytes(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "the node's answer was cut off".to_owned())? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > RESPONSE_MAX {
            return Err("the node's answer is too long".to_owned());
        }
    }
    Ok(bytes)
}
