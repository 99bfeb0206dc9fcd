//! What PayPal calls back with. PayPal itself is asked whether the signature is its own, which anybody can have us do: so
//! that first everything is looked at that can be seen without asking, see [`claims`].

use chrono::DateTime;
use reqwest::{Method, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::PayPal;
use crate::{
    Callback, CallbackRefused, CallbackSubject, Notification,
    http::{Effect, short},
};

#[derive(Serialize)]
struct Signature<'a> {
    transmission_id: &'a str,
    transmission_time: &'a str,
    transmission_sig: &'a str,
    cert_url: &'a str,
    auth_algo: &'a str,
    webhook_id: &'a str,
}

#[derive(Deserialize)]
struct VerificationResult {
    verification_status: String,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    event_type: String,
    #[serde(default)]
    resource: Resource,
}

/// An order, a capture, a refund or a dispute.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    id: String,
    custom_id: String,
    supplementary_data: Supplementary,
    purchase_units: Vec<Unit>,
    disputed_transactions: Vec<Disputed>,
    links: Vec<Link>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Supplementary {
    related_ids: Related,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Related {
    order_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Unit {
    custom_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Disputed {
    custom: String,
    /// The capture's id.
    seller_transaction_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Link {
    href: String,
    rel: String,
}

/// Longest headers that PayPal is known to send, with room: an id, a time, a signature by 2,048 bits and an address.
const HEADER_MAX: usize = 1_024;

/// The one algorithm that PayPal signs with.
const ALGORITHM: &str = "SHA256withRSA";

/// What the callback says, if it could be one of PayPal's as far as that shows without asking.
pub(super) fn claims(paypal: &PayPal, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
    signature(paypal, callback)?;
    let event: Event =
        serde_json::from_slice(callback.body).map_err(|error| CallbackRefused::Malformed(error.to_string()))?;
    Ok(Notification { event_id: Some(event.id.clone()), about: event.about() })
}

pub(super) async fn receive(paypal: &PayPal, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
    let heard = claims(paypal, callback)?;
    let request = verification(&signature(paypal, callback)?, callback.body)?;
    verify(paypal, request).await?;
    Ok(heard)
}

/// The headers, as far as they could be PayPal's.
fn signature<'a>(paypal: &'a PayPal, callback: &Callback<'a>) -> Result<Signature<'a>, CallbackRefused> {
    let header = |name| callback.header(name).filter(|value| (1..=HEADER_MAX).contains(&value.len()));
    let header = |name| header(name).ok_or(CallbackRefused::Forged);
    let signature = Signature {
        transmission_id: header("paypal-transmission-id")?,
        transmission_time: header("paypal-transmission-time")?,
        transmission_sig: header("paypal-transmission-sig")?,
        cert_url: header("paypal-cert-url")?,
        auth_algo: header("paypal-auth-algo")?,
        webhook_id: &paypal.webhook_id,
    };
    let sent_at = DateTime::parse_from_rfc3339(signature.transmission_time).map_err(|_| CallbackRefused::Forged)?;
    let late = callback.at.signed_duration_since(sent_at).abs() > paypal.tolerance;
    if late || signature.auth_algo != ALGORITHM || !is_paypals(signature.cert_url) {
        return Err(CallbackRefused::Forged);
    }
    Ok(signature)
}

/// Whether the certificate that is named is one of PayPal's.
fn is_paypals(cert_url: &str) -> bool {
    let Ok(url) = url::Url::parse(cert_url) else { return false };
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https" && (host == "paypal.com" || host.ends_with(".paypal.com"))
}

/// The event goes in as it came: PayPal signs its bytes, which would not survive being read and written again.
fn verification(signature: &Signature<'_>, body: &[u8]) -> Result<String, CallbackRefused> {
    let malformed = |_| CallbackRefused::Malformed("it is not a JSON object".to_owned());
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).map_err(malformed)?;
    let event = std::str::from_utf8(body).map_err(|_| CallbackRefused::Malformed("it is not UTF-8".to_owned()))?;
    let mut request = serde_json::to_string(signature).map_err(malformed)?;
    request.pop();
    request.push_str(r#","webhook_event":"#);
    request.push_str(event);
    request.push('}');
    Ok(request)
}

async fn verify(paypal: &PayPal, request: String) -> Result<(), CallbackRefused> {
    let unchecked = |error: crate::Error| CallbackRefused::Unchecked(error.to_string());
    let path = "/v1/notifications/verify-webhook-signature";
    let request = paypal.http.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(request);
    let response = paypal.oauth.send(request, Effect::Reads).await.and_then(|response| response.checked(Effect::Reads));
    let response = response.map_err(unchecked)?;
    if !response.is_success() {
        // What PayPal cannot even read as one of its signatures is none.
        return Err(CallbackRefused::Forged);
    }
    let verdict: VerificationResult = response.read(Effect::Reads).map_err(unchecked)?;
    match verdict.verification_status.as_str() {
        "SUCCESS" => Ok(()),
        "FAILURE" => Err(CallbackRefused::Forged),
        other => Err(CallbackRefused::Unchecked(format!("the verdict is {}", short(other)))),
    }
}

impl Event {
    fn about(self) -> CallbackSubject {
        let (custom_id, gateway_id) = match self.event_type.split_once('.') {
            Some(("CHECKOUT", rest)) if rest.starts_with("ORDER.") => self.resource.into_order(),
            Some(("PAYMENT", "CAPTURE.REFUNDED" | "CAPTURE.REVERSED")) => self.resource.into_refund(),
            Some(("PAYMENT", rest)) if rest.starts_with("REFUND.") => self.resource.into_refund(),
            Some(("PAYMENT", rest)) if rest.starts_with("CAPTURE.") => self.resource.into_capture(),
            Some(("CUSTOMER", rest)) if rest.starts_with("DISPUTE.") => self.resource.into_dispute(),
            _ => return CallbackSubject::Nothing,
        };
        let reference = Uuid::parse_str(&custom_id).ok();
        let gateway_id = Some(gateway_id).filter(|id| !id.is_empty());
        if reference.is_none() && gateway_id.is_none() {
            return CallbackSubject::Nothing;
        }
        CallbackSubject::Payment { reference, gateway_id }
    }
}

/// Our id, and the order's or the capture's of PayPal; empty where they are missing.
impl Resource {
    fn into_order(self) -> (String, String) {
        let unit = self.purchase_units.into_iter().next().unwrap_or_default();
        (unit.custom_id, self.id)
    }

    fn into_capture(self) -> (String, String) {
        let order = self.supplementary_data.related_ids.order_id;
        (self.custom_id, if order.is_empty() { self.id } else { order })
    }

    /// The id is the refund's own; the capture is one up.
    fn into_refund(self) -> (String, String) {
        let order = self.supplementary_data.related_ids.order_id;
        let up = self.links.into_iter().find(|link| link.rel == "up").unwrap_or_default();
        let capture = up.href.rsplit('/').next().unwrap_or_default().to_owned();
        (self.custom_id, if order.is_empty() { capture } else { order })
    }

    fn into_dispute(self) -> (String, String) {
        let disputed = self.disputed_transactions.into_iter().next().unwrap_or_default();
        (disputed.custom, disputed.seller_transaction_id)
    }
}
