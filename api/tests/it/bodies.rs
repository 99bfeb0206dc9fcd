//! What clients read: one life through each contract, with every answer as it goes over the wire. Each contract has one
//! snapshot with all of its dialogue. A change there is a change for its clients.

mod checkout;
mod deals;
mod marketplace;
mod receipts;
mod redaction;
mod till;

use std::fmt::Write;

use poem::http::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send};

/// The headers of answers that belong to the contracts.
const HEADERS: [&str; 11] = [
    "access-control-allow-origin",
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "link",
    "location",
    "retry-after",
    "set-cookie",
    "www-authenticate",
];

/// Requests to the API and its answers, written as `curl -v` writes them: `>` is sent, `<` is received.
struct Dialogue<'a> {
    app: &'a TestApp,
    text: String,
}

impl<'a> Dialogue<'a> {
    fn with(app: &'a TestApp) -> Self {
        Self { app, text: String::new() }
    }

    async fn get(&mut self, token: &str, path: &str) -> TestResponse {
        self.request(Method::GET, token, path, &Value::Null).await
    }

    async fn delete(&mut self, token: &str, path: &str) -> TestResponse {
        self.request(Method::DELETE, token, path, &Value::Null).await
    }

    async fn post(&mut self, token: &str, path: &str, body: &Value) -> TestResponse {
        self.request(Method::POST, token, path, body).await
    }

    async fn put(&mut self, token: &str, path: &str, body: &Value) -> TestResponse {
        self.request(Method::PUT, token, path, body).await
    }

    /// An empty token stands for a request without one, null for one without a body.
    async fn request(&mut self, method: Method, token: &str, path: &str, body: &Value) -> TestResponse {
        let bearer = format!("Bearer {token}");
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        if body.is_null() {
            return self.exchange(method, path, &headers, "").await;
        }
        headers.push(("content-type", "application/json"));
        self.exchange(method, path, &headers, &body.to_string()).await
    }

    /// Sends a request with exactly these headers and this body, and notes it with its answer.
    async fn exchange(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> TestResponse {
        let mut request = self.app.client.request(method.clone(), path);
        writeln!(self.text, "> {method} {path}").unwrap();
        for (name, value) in headers {
            request = request.header(*name, *value);
            writeln!(self.text, "> {name}: {value}").unwrap();
        }
        for line in body.lines() {
            writeln!(self.text, "> {line}").unwrap();
        }
        let answer = send(request.body(body.to_owned())).await;
        self.note(&answer);
        answer
    }

    fn note(&mut self, answer: &TestResponse) {
        writeln!(self.text, "< {}", answer.status).unwrap();
        for name in HEADERS {
            let mut values: Vec<&str> =
                answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
            // Cookies are set in any order.
            values.sort_unstable();
            for value in values {
                // How long a block still lasts depends on when its first second has begun.
                let value = if name == "retry-after" { "[seconds]" } else { value };
                writeln!(self.text, "< {name}: {value}").unwrap();
            }
        }
        let mut body = answer.body.clone();
        if let Some(seconds) = body.get_mut("retryAfter") {
            assert!(seconds.is_u64(), "{seconds}");
            *seconds = json!("[seconds]");
        }
        match body {
            Value::Null => writeln!(self.text, "{}\n", answer.text).unwrap(),
            body => writeln!(self.text, "{body:#}\n").unwrap(),
        }
    }

    /// All that was said, with names in place of what is drawn anew in every run.
    fn redacted(&self) -> String {
        redaction::redacted(&self.text)
    }
}
