//! What operators call back with.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq};
use uuid::Uuid;

use super::profiles::{CallbackFormat, Profile, Proof};
use crate::{Callback, CallbackRefused, CallbackSubject, Notification, http::segment};

/// The final transaction, or what failed.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CallbackBody {
    server_correlation_id: Option<String>,
    transaction_reference: Option<String>,
    client_correlation_id: Option<String>,
    requesting_organisation_transaction_reference: Option<String>,
    metadata: Option<Vec<Pair>>,
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: serde_json::Value,
}

/// Whether it has the credentials that the operator and we have agreed on. How long the comparison takes tells nothing
/// but lengths.
pub(super) fn is_operators(profile: &Profile, user: &str, secret: &SecretString, callback: &Callback<'_>) -> bool {
    let secret = secret.expose_secret();
    // No secret is no agreement.
    if secret.is_empty() {
        return false;
    }
    let equal = |sent: &str, expected: &str| sent.as_bytes().ct_eq(expected.as_bytes());
    let is_right: Choice = match profile.proof {
        Proof::Header(name) => callback.header(name).map_or(Choice::from(0), |sent| equal(sent, secret)),
        Proof::Query(name) => query(callback, name).map_or(Choice::from(0), |sent| equal(&sent, secret)),
        Proof::Basic => basic(callback)
            .map_or(Choice::from(0), |(sent_user, password)| equal(&sent_user, user) & equal(&password, secret)),
    };
    is_right.into()
}

pub(super) fn read(profile: &Profile, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
    let body = match profile.callback_format {
        CallbackFormat::Query => CallbackBody {
            server_correlation_id: query(callback, "serverCorrelationId"),
            transaction_reference: query(callback, "transactionReference"),
            client_correlation_id: query(callback, "clientCorrelationId"),
            requesting_organisation_transaction_reference: None,
            metadata: None,
        },
        CallbackFormat::Json => {
            serde_json::from_slice(callback.body).map_err(|error| CallbackRefused::Malformed(error.to_string()))?
        }
    };
    let echoed =
        body.metadata.iter().flatten().find(|pair| pair.key == "XCorrelationId").and_then(|pair| pair.value.as_str());
    let names = [
        echoed.map(str::to_owned),
        body.requesting_organisation_transaction_reference,
        body.client_correlation_id,
        // We have put it there, see `MobileMoney::callback_url`.
        query(callback, "reference"),
    ];
    let reference = names.into_iter().flatten().find_map(|name| Uuid::parse_str(&name).ok());
    let ids = [body.server_correlation_id, body.transaction_reference];
    let gateway_id = ids.into_iter().flatten().find(|id| segment(id).is_some());
    if reference.is_none() && gateway_id.is_none() {
        return Err(CallbackRefused::Malformed("it names no payment".to_owned()));
    }
    // Operators do not number their callbacks. What is sent twice is polled twice.
    Ok(Notification { event_id: None, about: CallbackSubject::Payment { reference, gateway_id } })
}

fn query(callback: &Callback<'_>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(callback.query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn basic(callback: &Callback<'_>) -> Option<(String, String)> {
    let (scheme, encoded) = callback.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
