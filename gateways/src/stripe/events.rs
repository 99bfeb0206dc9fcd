//! What Stripe calls back with.
//!
//! Events are written in the API version of the webhook endpoint, which is set at Stripe and need not be the SDK's: the
//! SDK refuses to read those whose objects differ. So the signature is checked here, and no more is read than ids.

use chrono::TimeDelta;
use hmac::{Hmac, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use super::{
    Stripe, is_id,
    responses::{Expandable, Intent, Listed, Metadata, reference},
};
use crate::{Callback, CallbackRefused, CallbackSubject, Notification};

/// How far a signature's time may be from ours, either way: what is older is a replay.
const TOLERANCE: TimeDelta = TimeDelta::seconds(300);

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// The connected account in which it happened, if it was not the platform's own.
    account: Option<String>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// What all objects that concern us have in common.
#[derive(Deserialize)]
struct Object {
    id: String,
    metadata: Option<Metadata>,
    client_reference_id: Option<String>,
    payment_intent: Option<Expandable<Intent>>,
}

pub(super) async fn receive(stripe: &Stripe, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
    if !is_signed(callback, stripe.config.webhook_secret.expose_secret()) {
        return Err(CallbackRefused::Forged);
    }
    let event: Event = serde_json::from_slice(callback.body).map_err(|error| malformed(&error))?;
    let about = about(stripe, &event).await?;
    Ok(Notification { event_id: Some(event.id), about })
}

async fn about(stripe: &Stripe, event: &Event) -> Result<CallbackSubject, CallbackRefused> {
    let (family, rest) = event.kind.split_once('.').unwrap_or((&event.kind, ""));
    // Our payments are the platform's; what a connected account takes by itself is not ours.
    let ours = event.account.is_none();
    match family {
        "payment_intent" if ours => {
            let object = read(event)?;
            Ok(CallbackSubject::Payment { reference: reference(object.metadata.as_ref()), gateway_id: Some(object.id) })
        }
        "checkout" if ours && rest.starts_with("session.") => {
            let object = read(event)?;
            let reference_of_session = object.client_reference_id.as_deref().and_then(|id| id.parse().ok());
            Ok(CallbackSubject::Payment {
                reference: reference(object.metadata.as_ref()).or(reference_of_session),
                gateway_id: Some(object.id),
            })
        }
        // The metadata of a charge are a copy of its payment's; those of refunds and disputes are not the payment's.
        "charge" if ours && !rest.starts_with("dispute.") && !rest.starts_with("refund.") => {
            let object = read(event)?;
            let reference = reference(object.metadata.as_ref());
            of_charge(stripe, object.payment_intent, reference).await
        }
        "charge" | "refund" if ours => of_charge(stripe, read(event)?.payment_intent, None).await,
        "payout" => {
            let object = read(event)?;
            Ok(CallbackSubject::Payout { reference: reference(object.metadata.as_ref()), gateway_id: Some(object.id) })
        }
        "account" if rest == "updated" => Ok(CallbackSubject::Account { account: read(event)?.id }),
        _ => Ok(CallbackSubject::Nothing),
    }
}

/// The payment behind a charge. A shop's was opened as a session, whose id no charge knows: the reference is then all
/// that leads to it, and is fetched where the event does not carry it.
async fn of_charge(
    stripe: &Stripe,
    intent: Option<Expandable<Intent>>,
    reference: Option<Uuid>,
) -> Result<CallbackSubject, CallbackRefused> {
    // A charge without a PaymentIntent was not made by us.
    let Some(intent) = intent else { return Ok(CallbackSubject::Nothing) };
    let id = intent.id().to_owned();
    if !is_id(&id) {
        return Err(CallbackRefused::Malformed("the payment's id is none of Stripe's".to_owned()));
    }
    let reference = match reference {
        Some(reference) => Some(reference),
        None => stripe
            .intent(&id)
            .await
            .map_err(|error| CallbackRefused::Unchecked(error.to_string()))?
            .and_then(|intent| intent.reference()),
    };
    Ok(CallbackSubject::Payment { reference, gateway_id: Some(id) })
}

fn read(event: &Event) -> Result<Object, CallbackRefused> {
    Object::deserialize(&event.data.object).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> CallbackRefused {
    CallbackRefused::Malformed(error.to_string())
}

/// Whether one of the signatures in `Stripe-Signature: t=…,v1=…,v1=…` is made with our secret, and lately. There are
/// several while a secret is being replaced.
fn is_signed(callback: &Callback<'_>, secret: &str) -> bool {
    let Some(header) = callback.header("stripe-signature") else { return false };
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let Some(time) = fields().find_map(|(name, value)| (name == "t").then_some(value)) else { return false };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    let off_by = callback.at.timestamp().abs_diff(seconds);
    if off_by > TOLERANCE.num_seconds().unsigned_abs() || secret.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(callback.body);
    fields().filter(|(name, _)| *name == "v1").any(|(_, signature)| {
        // In constant time.
        hex::decode(signature).is_ok_and(|signature| mac.clone().verify_slice(&signature).is_ok())
    })
}
