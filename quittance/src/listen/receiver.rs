//! What is done with each request.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use poem::{
    Request, Response,
    http::{Method, StatusCode},
};
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::{
    events::summary,
    operator::terminal::{self, clean, text},
    output::print_line,
};

/// The longest body that is read: events are a few kilobytes.
const BODY_MAX: usize = 1024 * 1024;

/// Verifies, prints and answers.
pub(super) struct Receiver {
    verifier: Webhook,
    answer: StatusCode,
    json: bool,
    seen: Mutex<HashSet<String>>,
}

impl Receiver {
    pub(super) fn new(verifier: Webhook, answer: StatusCode, json: bool) -> Self {
        Self { verifier, answer, json, seen: Mutex::default() }
    }

    /// A request that is not signed is answered 401 and shown as what it is.
    pub(super) async fn take(&self, mut request: Request) -> Response {
        if request.method() != Method::POST {
            return StatusCode::METHOD_NOT_ALLOWED.into();
        }
        let Ok(body) = request.take_body().into_bytes_limit(BODY_MAX).await else {
            self.print_error("a body longer than a mebibyte, or cut off");
            return StatusCode::PAYLOAD_TOO_LARGE.into();
        };
        if let Err(error) = self.verifier.verify(&body, request.headers()) {
            self.print_error(&format!("not signed by this endpoint's secret: {error}"));
            return StatusCode::UNAUTHORIZED.into();
        }
        match serde_json::from_slice::<Value>(&body) {
            Ok(event) => self.show(&event),
            Err(error) => self.print_error(&format!("signed, but no JSON: {error}")),
        }
        self.answer.into()
    }

    fn show(&self, event: &Value) {
        let again = !self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(text(event, "id"));
        if self.json {
            return print_line(&terminal::json_line(event));
        }
        print_line(&line(event, again));
    }

    fn print_error(&self, why: &str) {
        let why = clean(why);
        if self.json {
            tracing::warn!("refused: {why}");
        } else {
            print_line(&format!("refused: {why}"));
        }
    }
}

/// An event in a line: when, what, its number, whose payment, and whether it was here before.
fn line(event: &Value, again: bool) -> String {
    let again = if again { ", a repetition" } else { "" };
    format!("{}  signed{again}  {}", summary(event), text(event, "id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({ "id": "e", "type": "payment.paid", "occurred_at": "2026-11-21T14:05:17.1Z", "sequence": 4,
            "data": { "payment": { "id": "p", "status": "paid" } } });
        assert_eq!(
            line(&event, true),
            "2026-11-21T14:05:17Z  payment.paid           #4   payment p (paid)  signed, a repetition  e"
        );
        let event = json!({ "id": "e", "type": "webhook.test", "occurred_at": "2026-11-21T14:05:17.1Z", "data": {} });
        assert!(!line(&event, false).contains("payment"));
    }
}
