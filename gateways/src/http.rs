//! Requests to gateways, and what it means when no answer comes back.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use serde::de::DeserializeOwned;

use crate::Error;

/// Most of an answer that is read, bytes.
const READ_MAX: usize = 256 * 1_024;

/// Longest text of a gateway's that is passed on, characters.
const TEXT_MAX: usize = 300;

/// Whether a request changes something at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The request reads, and may be sent as often as we like.
    Reads,
    /// The request opens, takes or gives back.
    Writes,
}

impl Effect {
    /// The error of a request that has left and has no answer that can be used.
    pub(crate) fn lost(self, what: impl Into<String>) -> Error {
        match self {
            Self::Reads => Error::Unavailable(what.into()),
            Self::Writes => Error::Unknown(what.into()),
        }
    }
}

/// A gateway's API. A clone shares the connections.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    base_url: String,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    body: Vec<u8>,
}

impl Http {
    pub(crate) fn new(base_url: &str, timeout_ms: u64) -> reqwest::Result<Self> {
        let timeout = Duration::from_millis(timeout_ms);
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            // What is repeated is decided by those who know whether it may be.
            .retry(reqwest::retry::never())
            // Shorter than the whole, so that what never got through is told from what got no answer.
            .connect_timeout(timeout / 2)
            .timeout(timeout)
            .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    /// The path begins with a slash and is encoded already.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base_url))
    }
}

/// Sends, and reads the whole answer, whatever its status is.
pub(crate) async fn send(request: RequestBuilder, effect: Effect) -> Result<HttpResponse, Error> {
    let mut response = request.send().await.map_err(|error| failure(error, effect))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(error, effect))? {
        if body.len() + chunk.len() > READ_MAX {
            return Err(effect.lost("the answer is longer than 256 KiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, body })
}

fn failure(error: reqwest::Error, effect: Effect) -> Error {
    // Addresses may hold what is nobody's business.
    let error = error.without_url();
    if error.is_builder() {
        return Error::Misconfigured("the settings hold what cannot be sent in a request".to_owned());
    }
    if error.is_connect() {
        return Error::Unavailable(format!("no connection: {}", root_cause(&error)));
    }
    if error.is_timeout() {
        return effect.lost("no answer in time");
    }
    effect.lost(format!("the connection was cut: {}", root_cause(&error)))
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    short(&cause.to_string())
}

impl HttpResponse {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Takes away what all gateways mean alike. What is left is a success, or a refusal in the gateway's own words.
    pub(crate) fn checked(self, effect: Effect) -> Result<Self, Error> {
        let status = self.status;
        match status {
            401 | 403 => Err(Error::Misconfigured(format!("answered {status}"))),
            300..=399 => Err(Error::Misconfigured(format!("answered {status}: the base URL leads elsewhere"))),
            429 => Err(Error::Unavailable("too many requests".to_owned())),
            408 | 500.. => Err(effect.lost(format!("answered {status}"))),
            _ => Ok(self),
        }
    }

    /// A body of a success.
    pub(crate) fn read<T: DeserializeOwned>(&self, effect: Effect) -> Result<T, Error> {
        let lost = || effect.lost(format!("answered {} with a body that is not documented", self.status));
        serde_json::from_slice(&self.body).map_err(|_| lost())
    }

    /// A body of a refusal, which may be anything; what cannot be read is empty.
    pub(crate) fn read_refusal<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A text of somebody else's, short enough to be kept and shown.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect()
}

/// An id of a gateway's as a part of a path; none when it is not made for that.
pub(crate) fn segment(id: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:=".contains(&byte);
    let fits = !id.is_empty() && id.len() <= 200 && !id.starts_with('.') && id.bytes().all(plain);
    fits.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> HttpResponse {
        HttpResponse { status, body: Vec::new() }
    }

    #[test]
    fn a_status_says_whether_anything_can_have_happened() {
        use Effect::{Reads, Writes};
        let error = |status, effect| response(status).checked(effect).unwrap_err();
        for status in [500, 502, 503, 504, 408] {
            assert!(matches!(error(status, Writes), Error::Unknown(_)), "{status}");
            assert!(matches!(error(status, Reads), Error::Unavailable(_)), "{status}");
        }
        for effect in [Reads, Writes] {
            assert!(matches!(error(429, effect), Error::Unavailable(_)));
            for status in [301, 302, 401, 403] {
                assert!(matches!(error(status, effect), Error::Misconfigured(_)), "{status}");
            }
            for status in [200, 201, 202, 400, 402, 404, 409, 422] {
                assert_eq!(response(status).checked(effect).unwrap().status, status);
            }
        }
    }

    #[test]
    fn ids_never_lead_to_another_path() {
        assert_eq!(segment("5O190127TN364715T"), Some("5O190127TN364715T"));
        for id in ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\\b", "é", &"a".repeat(201)] {
            assert_eq!(segment(id), None, "{id}");
        }
    }
}
