//! The request that carries an event, as Standard Webhooks say.

use entities::{NodeId, now, webhook_delivery, webhook_endpoint};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::{Secrets, Unopened, formats, post::Request};

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
    if let Some(own) = &formats::of(delivery.format).signature {
        let signature = secrets.sign_plainly(endpoint.id, endpoint.secret_version, &(own.text)(&body, merchant));
        if let Ok(value) = HeaderValue::from_str(&signature) {
            headers.insert(HeaderName::from_static(own.header), value);
        }
    }
    Ok(Request { url: endpoint.url.clone(), headers, body })
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
        || formats::signature_headers().any(|header| header == name)
        || name.starts_with("content-")
        || name.starts_with("proxy-")
        || OF_THE_CONNECTION.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
