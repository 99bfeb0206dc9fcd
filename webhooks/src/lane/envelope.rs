//! The request that carries an event, as Standard Webhooks say.

use entities::{NodeId, WebhookFormat, now, webhook_delivery, webhook_endpoint};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::{Secrets, Unopened, post::Request};

/// What the checkout contract's own signature stands in.
const CHECKOUT_SIGNATURE: &str = "kartapay-signature";

/// Signed with the time of this attempt, and with the secret before as well while it is being replaced.
pub(super) fn request(
    secrets: &Secrets,
    endpoint: &webhook_endpoint::Model,
    delivery: &webhook_delivery::Model,
    body: String,
    merchant: Option<NodeId>,
) -> Result<Request, Unopened> {
    let (now, event_id) = (now(), delivery.event_id);
    let timestamp = now.timestamp();
    let sign = |version| secrets.sign(endpoint.id, version, event_id, timestamp, &body);
    let mut signature = sign(endpoint.secret_version);
    if endpoint.previous_secret_until.is_some_and(|until| until > now) {
        signature = format!("{signature} {}", sign(endpoint.secret_version - 1));
    }
    let mut headers = own(secrets, endpoint)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", event_id.to_string()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if delivery.format == WebhookFormat::CheckoutV1 {
        let signature = secrets.sign_plainly(endpoint.id, endpoint.secret_version, &checkout_text(&body, merchant));
        if let Ok(value) = HeaderValue::from_str(&signature) {
            headers.insert(HeaderName::from_static(CHECKOUT_SIGNATURE), value);
        }
    }
    Ok(Request { url: endpoint.url.clone(), headers, body })
}

/// What the checkout contract signs of a body: some of its members, joined by commas; one that is not there is empty.
fn checkout_text(body: &str, merchant: Option<NodeId>) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let data = &body["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let merchant = merchant.map(|node| node.to_string()).unwrap_or_default();
    let members = [
        text(&data["id"]),
        merchant,
        text(&data["clientId"]),
        text(&data["total"]["value"]),
        text(&data["total"]["currency"]),
        text(&data["submittedAt"]),
        text(&data["status"]),
    ];
    members.join(",")
}

/// The endpoint's own headers, but for those that are ours or the connection's. One that cannot be opened is no reason to
/// send without it: whoever receives that would take it for somebody else's, or for nothing.
fn own(secrets: &Secrets, endpoint: &webhook_endpoint::Model) -> Result<HeaderMap, Unopened> {
    let mut headers = HeaderMap::new();
    for (stored_name, stored) in endpoint.headers.as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(stored_name.as_bytes()).ok().filter(|name| !is_ours(name.as_str()));
        let Some(name) = name else { continue };
        let value = secrets.open(endpoint.id, stored_name, stored)?;
        if let Ok(mut value) = HeaderValue::from_str(value.expose_secret()) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Whether endpoints must leave this header alone; `name` in lower case.
fn is_ours(name: &str) -> bool {
    const OF_THE_CONNECTION: [&str; 9] =
        ["connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"];
    name.starts_with("webhook-")
        || name == CHECKOUT_SIGNATURE
        || name.starts_with("content-")
        || name.starts_with("proxy-")
        || OF_THE_CONNECTION.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkouts_signature_is_of_these_members() {
        let node = NodeId::new();
        let body = r#"{"topic":"payment.completed","data":{"id":"a","status":"completed","captured":true,
            "total":{"value":"15000","currency":"KMF"},"submittedAt":"2030-01-31T12:00:00Z","clientId":"o-1"}}"#;
        let text = checkout_text(body, Some(node));
        assert_eq!(text, format!("a,{node},o-1,15000,KMF,2030-01-31T12:00:00Z,completed"));
        assert_eq!(checkout_text("{}", None), ",,,,,,");
    }

    #[test]
    fn ours_stay_ours() {
        for name in ["webhook-id", "content-type", "kartapay-signature", "host", "user-agent", "proxy-authorization"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["authorization", "x-tenant", "accept"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
