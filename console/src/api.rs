//! Requests to the API in this process, on behalf of the browser that asks for a page.

use std::sync::Arc;

use poem::{
    Body, Endpoint, Request, RequestParts, Response,
    endpoint::BoxEndpoint,
    http::{self, HeaderMap, HeaderValue, Method, StatusCode, header, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::{Failure, Problem};

/// What the API has to know of the browser: who it is, from which page it comes, and from where.
const HANDED_ON: [&str; 7] =
    ["cookie", "origin", "host", "user-agent", "x-forwarded-for", "x-forwarded-proto", "x-request-id"];

/// The largest answer that is read; lists are asked for in pages far below it.
const ANSWER_MAX: usize = 8 << 20;

/// The API as one browser may use it. It keeps which calls a page is made of.
pub(crate) struct Api {
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    headers: HeaderMap,
    local: LocalAddr,
    remote: RemoteAddr,
    scheme: Scheme,
    calls: Vec<String>,
    posture: Option<Posture>,
}

/// What every answer of the API says of the installation, and every page has to say as well.
#[derive(Clone, Default)]
pub(crate) struct Posture {
    /// A playground, where no money moves.
    pub(crate) is_development: bool,
    /// That it is reached by HTTPS only, for browsers to keep to.
    pub(crate) https_only: Option<HeaderValue>,
}

impl Posture {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            is_development: headers.contains_key("quittance-mode"),
            https_only: headers.get(header::STRICT_TRANSPORT_SECURITY).cloned(),
        }
    }
}

/// What the API has answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| Failure::from(Problem::unreadable(self.status)))
    }

    /// The cookies that it sets, for the browser.
    pub(crate) fn cookies(&self) -> Vec<HeaderValue> {
        self.headers.get_all(header::SET_COOKIE).iter().cloned().collect()
    }

    fn success(self) -> Result<Self, Failure> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::UNAUTHORIZED => Err(Failure::SignIn),
            status => Err(self.json().unwrap_or_else(|_| Problem::unreadable(status)).into()),
        }
    }
}

impl Api {
    pub(crate) fn of(endpoint: &Arc<BoxEndpoint<'static, Response>>, request: &Request) -> Self {
        let mut headers = HeaderMap::new();
        for name in HANDED_ON {
            for value in request.headers().get_all(name) {
                headers.append(name, value.clone());
            }
        }
        Self {
            endpoint: Arc::clone(endpoint),
            headers,
            local: request.local_addr().clone(),
            remote: request.remote_addr().clone(),
            scheme: request.scheme().clone(),
            calls: Vec::new(),
            posture: None,
        }
    }

    /// Reads something; parameters without a value are left out.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        self.send(Method::GET, &with_query(path, query), None).await?.success()?.json()
    }

    /// Changes something, or asks what a change would do.
    pub(crate) async fn post(&mut self, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.send(Method::POST, path, body).await?.success()
    }

    /// Sends a request whose answer the page reads whatever its status.
    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.calls.push(curl(&method, path, body));
        let request = self.request(method, path, body)?;
        let response = match self.endpoint.call(request).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        };
        let (parts, body) = response.into_parts();
        self.posture = Some(Posture::of(&parts.headers));
        let body = body.into_bytes_limit(ANSWER_MAX).await;
        let body = body.map_err(|_| Failure::from(Problem::unreadable(parts.status)))?.to_vec();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// What the last answer said of the installation; a page without any asks whether it lives.
    pub(crate) async fn posture(&mut self) -> Posture {
        if self.posture.is_none() {
            let asked = self.calls.len();
            // Without an answer nothing is known, and nothing is said.
            let _ = self.send(Method::GET, "/health/live", None).await;
            self.calls.truncate(asked);
        }
        self.posture.clone().unwrap_or_default()
    }

    /// The calls that were made so far, for a shell.
    pub(crate) fn calls(&self) -> &[String] {
        &self.calls
    }

    /// Forgets the calls, so that a secret in one of them is never shown.
    pub(crate) fn forget_calls(&mut self) {
        self.calls.clear();
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Request, Failure> {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
            if body.is_some() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
        let unusable = |_| Failure::from(Problem::not_found());
        let (parts, ()) = request.body(()).map_err(unusable)?.into_parts();
        let addresses = (self.local.clone(), self.remote.clone(), self.scheme.clone());
        let parts = RequestParts::from((parts, addresses.0, addresses.1, addresses.2));
        let body = body.map_or_else(Body::empty, |body| Body::from_string(body.to_string()));
        Ok(Request::from_parts(parts, body))
    }
}

/// The path with what is filled in of the query.
pub(crate) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
    match encoded.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// The same request at a shell.
fn curl(method: &Method, path: &str, body: Option<&Value>) -> String {
    let method = if method == Method::GET { String::new() } else { format!(" -X {method}") };
    let body = body.map(|body| format!(" --json {}", quoted(&body.to_string()))).unwrap_or_default();
    format!("curl{method} -H \"Authorization: Bearer $TOKEN\"{body} \"$QUITTANCE_URL\"{}", quoted(path))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_command_at_a_shell_whatever_is_in_it() {
        let body = serde_json::json!({ "reason": "it's mended" });
        let command = curl(&Method::POST, &with_query("/a", &[("text", "it's $HOME"), ("empty", "")]), Some(&body));
        assert!(command.ends_with(r#""$QUITTANCE_URL"'/a?text=it%27s+%24HOME'"#), "{command}");
        assert!(command.contains(r#"--json '{"reason":"it'\''s mended"}'"#), "{command}");
    }
}
