//! What Stripe calls back with, and what somebody else does.

use chrono::{DateTime, TimeDelta, Utc};
use gateways::{Callback, CallbackRefused, CallbackSubject, Gateway, Notification, Stripe};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::stripe::{WEBHOOK_SECRET, config, euros, order, pair};

fn signature(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) fn signed(body: &[u8], at: DateTime<Utc>) -> String {
    let time = at.timestamp().to_string();
    format!("t={time},v1={}", signature(WEBHOOK_SECRET, &time, body))
}

async fn receive(stripe: &Stripe, body: &[u8], header: Option<&str>) -> Result<Notification, CallbackRefused> {
    let headers: Vec<_> = header.map(|header| ("stripe-signature".to_owned(), header.to_owned())).into_iter().collect();
    stripe.receive(&Callback { headers: &headers, query: "", body, at: Utc::now() }).await
}

fn event(kind: &str, object: &Value) -> Vec<u8> {
    json!({"id": "evt_1", "object": "event", "type": kind, "api_version": "2019-01-01", "data": {"object": object}})
        .to_string()
        .into_bytes()
}

/// An adapter that can reach nobody.
pub(crate) fn alone() -> Stripe {
    Stripe::new(&config("http://127.0.0.1:1")).unwrap()
}

async fn about(stripe: &Stripe, kind: &str, object: &Value) -> Result<CallbackSubject, CallbackRefused> {
    let body = event(kind, object);
    receive(stripe, &body, Some(&signed(&body, Utc::now()))).await.map(|heard| {
        assert_eq!(heard.event_id.as_deref(), Some("evt_1"));
        heard.about
    })
}

#[tokio::test]
async fn only_a_signature_of_now_with_our_secret_is_taken() {
    let (stripe, now) = (alone(), Utc::now());
    let body = event("payment_intent.succeeded", &json!({"id": "pi_1", "metadata": {}}));
    let time = now.timestamp().to_string();
    let (good, bad) = (signature(WEBHOOK_SECRET, &time, &body), signature("whsec_another", &time, &body));
    let at = |seconds: i64| signed(&body, now + TimeDelta::seconds(seconds));
    for (what, header, taken) in [
        ("as it should be", format!("t={time},v1={good}"), true),
        ("while a secret is replaced", format!("t={time},v1={bad},v1={good}"), true),
        ("the other way round", format!("t={time},v1={good},v1={bad}"), true),
        ("beside what nobody can read", format!("t={time},v1=zz,v1=,v0=x,v1={good}"), true),
        ("late, as networks are", at(-290), true),
        ("early, as clocks are", at(290), true),
        ("too old", at(-310), false),
        ("of the future", at(310), false),
        ("with another secret", format!("t={time},v1={bad}"), false),
        ("of another scheme", format!("t={time},v0={good}"), false),
        ("without a time", format!("v1={good}"), false),
        ("with another time", format!("t={},v1={good}", now.timestamp() - 1), false),
        ("with a time of letters", format!("t=now,v1={good}"), false),
        ("with a time beyond all", format!("t={},v1={good}", i64::MIN), false),
        ("cut short", format!("t={time},v1={}", &good[..32]), false),
        ("garbled", "%%%".to_owned(), false),
        ("empty", String::new(), false),
    ] {
        let heard = receive(&stripe, &body, Some(&header)).await;
        assert_eq!(heard.is_ok(), taken, "{what}");
        assert!(taken || heard == Err(CallbackRefused::Forged), "{what}");
    }
    assert_eq!(receive(&stripe, &body, None).await, Err(CallbackRefused::Forged));
    // One byte of the body is another body.
    let mut other = body.clone();
    other.push(b' ');
    assert_eq!(receive(&stripe, &other, Some(&at(0))).await, Err(CallbackRefused::Forged));
    // Told again it is the same.
    let (first, again) = (receive(&stripe, &body, Some(&at(-1))).await, receive(&stripe, &body, Some(&at(0))).await);
    assert_eq!(first, again);
}

#[tokio::test]
async fn what_is_signed_and_cannot_be_read_is_malformed() {
    let stripe = alone();
    let bodies: [&[u8]; 5] = [
        b"",
        b"{",
        b"\xff\xfe",
        br#"{"id": "evt_1", "type": "payment_intent.succeeded"}"#,
        br#"{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"metadata": {}}}}"#,
    ];
    for body in bodies {
        let heard = receive(&stripe, body, Some(&signed(body, Utc::now()))).await;
        assert!(matches!(heard, Err(CallbackRefused::Malformed(_))), "{heard:?}");
    }
}

#[tokio::test]
async fn an_event_names_its_subject() {
    let (stripe, ours) = (alone(), Uuid::new_v4());
    let metadata = json!({"reference": ours.to_string()});
    let payment =
        |reference: Option<Uuid>, id: &str| CallbackSubject::Payment { reference, gateway_id: Some(id.to_owned()) };
    for (kind, object, subject) in [
        ("payment_intent.succeeded", json!({"id": "pi_1", "metadata": metadata}), payment(Some(ours), "pi_1")),
        ("payment_intent.canceled", json!({"id": "pi_1", "metadata": {}}), payment(None, "pi_1")),
        ("payment_intent.succeeded", json!({"id": "pi_1", "metadata": {"reference": "12"}}), payment(None, "pi_1")),
        (
            "checkout.session.completed",
            json!({"id": "cs_1", "metadata": metadata, "payment_intent": "pi_1"}),
            payment(Some(ours), "cs_1"),
        ),
        (
            "checkout.session.expired",
            json!({"id": "cs_1", "metadata": null, "client_reference_id": ours.to_string()}),
            payment(Some(ours), "cs_1"),
        ),
        (
            "charge.refunded",
            json!({"id": "ch_1", "metadata": metadata, "payment_intent": "pi_1"}),
            payment(Some(ours), "pi_1"),
        ),
        (
            "charge.succeeded",
            json!({"id": "ch_1", "metadata": metadata, "payment_intent": null}),
            CallbackSubject::Nothing,
        ),
        (
            "payout.paid",
            json!({"id": "po_1", "metadata": metadata}),
            CallbackSubject::Payout { reference: Some(ours), gateway_id: Some("po_1".to_owned()) },
        ),
        ("account.updated", json!({"id": "acct_1"}), CallbackSubject::Account { account: "acct_1".to_owned() }),
        ("account.external_account.created", json!({"id": "ba_1"}), CallbackSubject::Nothing),
        ("customer.created", json!({"name": 1}), CallbackSubject::Nothing),
        ("tomorrows", json!(1), CallbackSubject::Nothing),
    ] {
        assert_eq!(about(&stripe, kind, &object).await, Ok(subject), "{kind} {object}");
    }
}

#[tokio::test]
async fn what_a_connected_account_takes_by_itself_is_not_ours() {
    let stripe = alone();
    for kind in ["payment_intent.succeeded", "checkout.session.completed", "charge.refunded", "refund.created"] {
        let body = json!({
            "id": "evt_1", "type": kind, "account": "acct_1",
            "data": {"object": {"id": "pi_1", "payment_intent": "pi_1", "metadata": {}}},
        });
        let body = body.to_string().into_bytes();
        let heard = receive(&stripe, &body, Some(&signed(&body, Utc::now()))).await.unwrap();
        assert_eq!(heard.about, CallbackSubject::Nothing, "{kind}");
    }
}

#[tokio::test]
async fn a_dispute_or_a_refund_leads_to_the_payment_though_it_does_not_name_us() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    let opened = gateways::Gateway::open(&stripe, &order).await.unwrap();
    let (intent, charge) = fake.books().ledger.pay(&opened.gateway_id);
    let subject = CallbackSubject::Payment { reference: Some(order.reference), gateway_id: Some(intent.clone()) };
    // The reference of a refund is the refund's own.
    let other = json!({"reference": Uuid::new_v4().to_string()});
    for (kind, id) in [
        ("charge.dispute.created", "du_1"),
        ("charge.dispute.funds_withdrawn", "du_1"),
        ("charge.dispute.closed", "du_1"),
        ("charge.refund.updated", "re_1"),
        ("refund.created", "re_1"),
        ("refund.failed", "re_1"),
    ] {
        let object = json!({"id": id, "charge": charge, "payment_intent": intent, "metadata": other});
        assert_eq!(about(&stripe, kind, &object).await, Ok(subject.clone()), "{kind}");
    }
    // Stripe tells it again when the payment cannot be asked for now.
    let object = json!({"id": "du_1", "payment_intent": intent, "metadata": {}});
    assert!(matches!(about(&alone(), "charge.dispute.created", &object).await, Err(CallbackRefused::Unchecked(_))));
    // Somebody else's payment on the same Stripe account.
    let object = json!({"id": "du_1", "payment_intent": "pi_none", "metadata": {}});
    let nobody = CallbackSubject::Payment { reference: None, gateway_id: Some("pi_none".to_owned()) };
    assert_eq!(about(&stripe, "charge.dispute.created", &object).await, Ok(nobody));
    let object = json!({"id": "du_1", "payment_intent": "../balance", "metadata": {}});
    assert!(matches!(about(&stripe, "charge.dispute.created", &object).await, Err(CallbackRefused::Malformed(_))));
}
