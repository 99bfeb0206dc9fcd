//! What an endpoint may be told: event types, headers, and whose payments it may be about.

use std::collections::BTreeMap;

use entities::WebhookEndpointId;
use payments::{Caller, Permission, event::EVENT_TYPES};
use poem::http::HeaderName;
use queue::Transaction;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use super::endpoint::MASK;
use crate::{
    problem::{Code, Counted, Location, Problem, Wrong},
    resources::{networks, wallets},
    state::State,
};

/// Most headers of an endpoint.
const HEADERS_MAX: usize = 20;

/// Names and values of an endpoint's headers, bytes.
const HEADER_BYTES_MAX: usize = 4_096;

/// Ours, those of the connection, and what decides where a request goes or how its body is read.
const RESERVED: [&str; 15] = [
    "host",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "accept-encoding",
    "x-forwarded-for",
    "forwarded",
];

const RESERVED_BEGINNINGS: [&str; 2] = ["webhook-", "content-"];

/// The list without repetitions, or what is wrong with it.
pub(super) fn events(list: Vec<String>, caller: &Caller) -> Result<Vec<String>, Problem> {
    let unknown = |name: &String| !EVENT_TYPES.iter().any(|known| covers(name, known.name));
    let mut problem: Option<Problem> = None;
    for (index, name) in list.iter().enumerate().filter(|(_, name)| unknown(name)) {
        let found = problem.take().unwrap_or_else(|| Problem::new(Code::ValidationFailed));
        let known = EVENT_TYPES.iter().map(|known| known.name).collect();
        let unknown = Wrong::UnknownEvent { name: shortened(name), known };
        problem = Some(found.wrong(&format!("/events/{index}"), Location::Body, unknown));
    }
    if let Some(problem) = problem {
        return Err(problem);
    }
    if names_operators(&list) && !caller.can(Permission::Operations) {
        let detail = "Events of dead letters and signers need the permission operations";
        return Err(Problem::new(Code::PermissionMissing).detail(detail));
    }
    let mut kept: Vec<String> = Vec::new();
    for name in list {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    Ok(kept)
}

/// Whether an entry of a list selects the type: the type itself, its group `payment.*`, or `*`.
fn covers(entry: &str, name: &str) -> bool {
    match entry.strip_suffix('*') {
        Some("") => true,
        Some(group) => group.ends_with('.') && name.starts_with(group),
        None => entry == name,
    }
}

/// Whether the list asks for operators' events by name; `*` alone does not.
pub(super) fn names_operators(list: &[String]) -> bool {
    let named = list.iter().filter(|entry| *entry != "*");
    named.into_iter().any(|entry| EVENT_TYPES.iter().any(|known| known.operators && covers(entry, known.name)))
}

fn shortened(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(60).collect()
}

/// What a header's value is to be.
#[derive(Debug)]
pub(super) enum HeaderValue {
    New(SecretString),
    /// As it is stored.
    Kept(Value),
}

impl HeaderValue {
    fn length(&self) -> usize {
        match self {
            Self::New(value) => value.expose_secret().len(),
            Self::Kept(stored) => ::webhooks::length_of(stored),
        }
    }
}

/// What the headers are to be, names in lower case. A value of [`MASK`] stands for that of the same name in `stored`; where
/// nothing may be kept, because the URL leads elsewhere, it takes its header away.
pub(super) fn headers(
    sent: BTreeMap<String, String>,
    stored: Option<&Value>,
) -> Result<BTreeMap<String, HeaderValue>, Problem> {
    if sent.len() > HEADERS_MAX {
        return Err(Problem::invalid("/headers", Wrong::TooMany { max: HEADERS_MAX, of: Counted::Headers }));
    }
    let mut kept = BTreeMap::new();
    for (name, value) in sent {
        let pointer = format!("/headers/{}", shortened(&name).replace('~', "~0").replace('/', "~1"));
        let invalid = |rule| Problem::invalid(&pointer, Wrong::Rule(rule));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("is not a header's name"))?;
        let name = parsed.as_str().to_owned();
        if RESERVED.contains(&name.as_str()) || RESERVED_BEGINNINGS.iter().any(|start| name.starts_with(start)) {
            return Err(invalid("is set by this server and cannot be chosen"));
        }
        let value = match stored {
            None if value == MASK => continue,
            Some(stored) if value == MASK && !stored[&name].is_null() => HeaderValue::Kept(stored[&name].clone()),
            _ => HeaderValue::New(value.into()),
        };
        if !printable(&value) {
            return Err(invalid("must have a value of printable ASCII without blanks around it"));
        }
        if kept.insert(name, value).is_some() {
            return Err(invalid("is given twice"));
        }
    }
    let bytes: usize = kept.iter().map(|(name, value)| name.len() + value.length()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(Problem::invalid("/headers", Wrong::TooMany { max: HEADER_BYTES_MAX, of: Counted::Bytes }));
    }
    Ok(kept)
}

/// Visible ASCII and blanks: other bytes mean something else to each server.
fn printable(value: &HeaderValue) -> bool {
    let HeaderValue::New(value) = value else { return true };
    let value = value.expose_secret();
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value
}

/// The headers as they are stored at this endpoint: names as they are, values sealed.
pub(super) fn sealed(
    state: &State,
    endpoint: WebhookEndpointId,
    headers: BTreeMap<String, HeaderValue>,
) -> Result<Value, Problem> {
    let seal = |(name, value): (String, HeaderValue)| {
        let value = match value {
            HeaderValue::Kept(stored) => stored,
            HeaderValue::New(value) => state.webhook_secrets().seal(endpoint, &name, &value).map_err(|error| {
                tracing::error!(%error, "a webhook header");
                Problem::new(Code::Internal)
            })?,
        };
        Ok((name, value))
    };
    headers.into_iter().map(seal).collect::<Result<_, Problem>>().map(Value::Object)
}

/// The URL may be sent to, as far as that can be told before its name is looked up.
pub(super) fn url(state: &State, url: &str) -> Result<(), Problem> {
    ::webhooks::check_url(state.webhooks(), url).map(drop).map_err(|refused| Problem::invalid("/url", refused))
}

/// The wallet and the network exist, and the wallet is in the caller's reach.
pub(super) async fn filters(
    tx: &Transaction,
    caller: &Caller,
    wallet_id: Option<Uuid>,
    network_id: Option<Uuid>,
) -> Result<(), Problem> {
    if let Some(id) = wallet_id {
        wallets::find(&**tx, caller, id).await?;
    }
    if let Some(id) = network_id {
        networks::find(&**tx, id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use entities::NodeId;
    use payments::CallerKind;
    use serde_json::json;

    use super::*;

    fn caller(permissions: &[Permission]) -> Caller {
        Caller {
            kind: CallerKind::Operator,
            node_id: NodeId::new(),
            node_path: "1".to_owned(),
            permissions: permissions.to_vec(),
            is_admin: false,
        }
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn lists_of_events_name_types_groups_or_all() {
        let (shop, operator) = (caller(&[]), caller(&[Permission::Operations]));
        for good in [&["*"][..], &["payment.*", "payment.paid"], &["endpoint.disabled"], &["webhook.test"]] {
            assert_eq!(events(list(good), &shop).unwrap(), list(good));
        }
        assert_eq!(events(list(&["*", "*"]), &shop).unwrap(), list(&["*"]));
        for wrong in ["payment", "payment.", "pay*", "payment.pai*", "payments.*", "**", "", "PAYMENT.PAID", ".*"] {
            assert!(events(list(&[wrong]), &shop).is_err(), "{wrong}");
        }
        for operators in ["dead_letter.*", "dead_letter.created", "signer.*", "signer.low_balance"] {
            assert!(events(list(&[operators]), &shop).is_err(), "{operators}");
            assert!(events(list(&[operators]), &operator).is_ok(), "{operators}");
        }
        assert!(!names_operators(&list(&["*"])));
    }

    #[test]
    fn headers_are_the_owners_and_not_ours() {
        let sent = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let stored = json!({ "x-key": "kept" });
        let one = |name: &str, value: &str| headers(sent(name, value), Some(&stored));
        let new = |name: &str, value: &str| match &one(name, value).unwrap()[&name.to_lowercase()] {
            HeaderValue::New(value) => value.expose_secret().to_owned(),
            HeaderValue::Kept(stored) => format!("kept {stored}"),
        };
        assert_eq!(new("Authorization", "Bearer abc"), "Bearer abc");
        assert_eq!(new("X-Key", MASK), r#"kept "kept""#);
        assert_eq!(new("x-other", MASK), MASK, "nothing of that name is kept");
        assert!(headers(sent("X-Key", MASK), None).unwrap().is_empty(), "at another origin nothing is kept");
        for name in ["Webhook-Id", "webhook-signature", "Content-Type", "content-length", "Host", "user-agent"] {
            assert!(one(name, "x").is_err(), "{name}");
        }
        for name in ["Transfer-Encoding", "connection", "TE", "", "a b", "a:b", "ä", "x\r\ny"] {
            assert!(one(name, "x").is_err(), "{name}");
        }
        for value in ["a\r\nb: c", "a\nb", "\u{0}", "ä", " a", "a\t"] {
            assert!(one("x-key", value).is_err(), "{value:?}");
        }
        assert!(one("x-key", &"x".repeat(5_000)).is_err());
        let many = (0..21).map(|number| (format!("x-{number}"), "x".to_owned())).collect();
        assert!(headers(many, Some(&json!({}))).is_err());
        let twice = BTreeMap::from([("x-a".to_owned(), "1".to_owned()), ("X-A".to_owned(), "2".to_owned())]);
        assert!(headers(twice, Some(&json!({}))).is_err());
    }
}
