//! Calls of Stripe, and what an answer or its absence means.
//!
//! Requests come from the SDK. Its own client is not used: it gives a refused connection and a broken one the same
//! error, and loses the status of an error whose body is not JSON, such as a proxy's. Whether a payment may be asked
//! for again hangs on both.

use std::time::Duration;

use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::responses::{Listed, Page, Refusal};
use crate::{Error, StripeConfig};

/// Most of an answer that is read, bytes. A page of a hundred sessions has a tenth of it.
const READ_MAX: usize = 8 * 1_024 * 1_024;

/// Most that is looked through for an object of ours, in pages of a hundred.
const PAGES_MAX: usize = 50;

/// Objects in a page; Stripe gives no more.
pub(super) const PAGE: i64 = 100;

/// Longest message of Stripe's that is passed on, characters.
const MESSAGE_MAX: usize = 300;

/// What Stripe says of an object that it does not have.
const MISSING: &str = "resource_missing";

/// How Stripe names an idempotency key that came with another request before.
const ANOTHER_REQUEST: &str = "idempotency_error";

pub(super) struct Client {
    http: reqwest::Client,
    base_url: String,
    secret_key: SecretString,
}

/// A request and the headers that are its own.
pub(super) struct Call<'a> {
    request: RequestBuilder,
    idempotency_key: Option<String>,
    account: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// One that changes nothing, or nothing more when it comes twice.
    pub(super) fn new(request: RequestBuilder) -> Self {
        Self { request, idempotency_key: None, account: None }
    }

    /// Stripe carries this out once under one key, and answers the same again.
    pub(super) fn once(request: RequestBuilder, key: impl ToString) -> Self {
        Self { request, idempotency_key: Some(key.to_string()), account: None }
    }

    /// In the name of a connected account.
    pub(super) fn within(self, account: &'a str) -> Self {
        Self { account: Some(account), ..self }
    }

    fn headers(&self, key: &SecretString) -> Result<HeaderMap, Error> {
        let header = |value: &str| {
            HeaderValue::from_str(value)
                .map_err(|_| Error::Misconfigured("a header for Stripe is not ASCII".to_owned()))
        };
        let mut headers = HeaderMap::new();
        let mut bearer = header(&format!("Bearer {}", key.expose_secret()))?;
        bearer.set_sensitive(true);
        headers.insert(reqwest::header::AUTHORIZATION, bearer);
        headers.insert(HeaderName::from_static("stripe-version"), header(stripe_shared::version::VERSION.as_str())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(key) = &self.idempotency_key {
            headers.insert(HeaderName::from_static("idempotency-key"), header(key)?);
        }
        if let Some(account) = self.account {
            headers.insert(HeaderName::from_static("stripe-account"), header(account)?);
        }
        Ok(headers)
    }
}

/// Whether Stripe may have done something when the answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

impl Effect {
    /// A read changes nothing, and may be sent again.
    fn lost(self, why: String) -> Error {
        match self {
            Self::Reads => Error::Unavailable(why),
            Self::Writes => Error::Unknown(why),
        }
    }
}

impl Client {
    pub(super) fn new(config: &StripeConfig) -> reqwest::Result<Self> {
        let timeout = Duration::from_millis(config.timeout_ms);
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            // The caller decides what is sent again, after a read.
            .retry(reqwest::retry::never())
            .timeout(timeout)
            // It has to come first: only then is it certain that nothing has left.
            .connect_timeout((timeout / 2).min(Duration::from_secs(10)))
            .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        Ok(Self { http, base_url, secret_key: config.secret_key.clone() })
    }

    pub(super) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let (method, effect) = match call.request.method {
            StripeMethod::Get => (Method::GET, Effect::Reads),
            StripeMethod::Post => (Method::POST, Effect::Writes),
            StripeMethod::Delete => (Method::DELETE, Effect::Writes),
        };
        let query = call.request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}/v1{}{query}", self.base_url, call.request.path);
        let headers = call.headers(&self.secret_key)?;
        let request = self.http.request(method, url).headers(headers).body(call.request.body.unwrap_or_default());
        let response = request.send().await.map_err(|error| broken(effect, &error))?;
        let status = response.status();
        let body = read(response, effect).await?;
        if !status.is_success() {
            return Err(refusal(status, &body, effect));
        }
        serde_json::from_slice(&body).map_err(|error| effect.lost(format!("Stripe's answer cannot be read: {error}")))
    }

    /// Reads one object. None when Stripe says that it does not have it.
    pub(super) async fn retrieve<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Option<T>, Error> {
        match self.send(call).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Declined { code, .. }) if code == MISSING => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first object that fits, page by page; the page after an object is what `page` gives for its id. None when
    /// all were seen, and an error when there are too many to be sure.
    pub(super) async fn find<'a, T: Listed>(
        &self,
        page: impl Fn(Option<&str>) -> Call<'a>,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, Error> {
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            // A list within something that is not there has nothing.
            let Some(Page { data, has_more }) = self.retrieve(page(after.as_deref())).await? else { return Ok(None) };
            after = data.last().map(|last: &T| last.id().to_owned());
            if let Some(found) = data.into_iter().find(&fits) {
                return Ok(Some(found));
            }
            if !has_more || after.is_none() {
                return Ok(None);
            }
        }
        Err(Error::Unavailable(format!("Stripe has more than {PAGES_MAX} pages of objects to look through")))
    }
}

/// The error of an object that must be there and is not.
pub(super) fn missing(what: &str) -> Error {
    Error::Declined { code: MISSING.to_owned(), message: format!("Stripe has no such {what}") }
}

fn broken(effect: Effect, error: &reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::Misconfigured("gateways.stripe.base_url and an id make no URL".to_owned());
    }
    // Nothing can have been read at the other end before there was a connection.
    if error.is_connect() {
        return Error::Unavailable("no connection to Stripe".to_owned());
    }
    effect.lost(if error.is_timeout() {
        "Stripe did not answer in time".to_owned()
    } else {
        "the connection to Stripe broke".to_owned()
    })
}

async fn read(mut response: Response, effect: Effect) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(effect, &error))? {
        if body.len() + chunk.len() > READ_MAX {
            return Err(effect.lost("Stripe's answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refusal(status: StatusCode, body: &[u8], effect: Effect) -> Error {
    let refusal = Refusal::read(body);
    let code = refusal.code.or_else(|| refusal.kind.clone()).unwrap_or_else(|| format!("http_{}", status.as_u16()));
    let message = format!("Stripe answered {} ({code})", status.as_u16());
    match status.as_u16() {
        // Its message repeats a part of the key.
        401 | 403 => Error::Misconfigured(message),
        300..400 => Error::Misconfigured(format!("{message}: is gateways.stripe.base_url right?")),
        429 => Error::Unavailable(message),
        // The same key is under way, or something behind Stripe failed.
        409 | 424 => effect.lost(message),
        // A read can only be refused because of how we ask: that says nothing of what we ask about.
        400..500 if effect == Effect::Reads && code != MISSING => Error::Misconfigured(message),
        // Another request was made under this key: what became of it is not said.
        400..500 if refusal.kind.as_deref() == Some(ANOTHER_REQUEST) => effect.lost(message),
        400..500 => {
            let message = refusal.message.map_or(message, |message| message.chars().take(MESSAGE_MAX).collect());
            Error::Declined { code, message }
        }
        _ => effect.lost(message),
    }
}
