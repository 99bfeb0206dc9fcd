//! The request that carries an event, as Standard Webhooks say.

use entities::{now, webhook_delivery, webhook_endpoint};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::{Secrets, post::Request};

/// Signed with the time of this attempt, and with the secret before as well while it is being replaced.
pub(super) fn request(
    secrets: &Secrets,
    endpoint: &webhook_endpoint::Model,
    delivery: &webhook_delivery::Model,
    body: String,
) -> Request {
    let (now, event_id) = (now(), delivery.event_id);
    let timestamp = now.timestamp();
    let sign = |version| secrets.sign(endpoint.id, version, event_id, timestamp, &body);
    let mut signature = sign(endpoint.secret_version);
    if endpoint.previous_secret_until.is_some_and(|until| until > now) {
        signature = format!("{signature} {}", sign(endpoint.secret_version - 1));
    }
    let mut headers = own(endpoint);
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
    Request { url: endpoint.url.clone(), headers, body }
}

/// The endpoint's own headers, but for those that are ours or the connection's.
fn own(endpoint: &webhook_endpoint::Model) -> HeaderMap {
    let given = endpoint.headers.as_object().into_iter().flatten();
    given
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value.as_str()?).ok()?;
            value.set_sensitive(true);
            (!is_ours(name.as_str())).then_some((name, value))
        })
        .collect()
}

/// Whether endpoints must leave this header alone; `name` in lower case.
fn is_ours(name: &str) -> bool {
    const OF_THE_CONNECTION: [&str; 9] =
        ["connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"];
    name.starts_with("webhook-")
        || name.starts_with("content-")
        || name.starts_with("proxy-")
        || OF_THE_CONNECTION.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_stay_ours() {
        for name in ["webhook-id", "content-type", "content-length", "host", "user-agent", "proxy-authorization"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["authorization", "x-tenant", "accept"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
