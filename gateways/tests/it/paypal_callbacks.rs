use chrono::{TimeDelta, Utc};
use gateways::{CallbackRefused, CallbackSubject, Notification};
use uuid::Uuid;

use crate::{
    fake::{Fault, callback, callback_at, closed_port},
    paypal_server::{PayPalServer, gateway_at, signed},
};

const VERIFY: &str = "POST /v1/notifications/verify-webhook-signature";

/// Spaces, an escape and a number that would not survive being read and written again.
fn approved(reference: Uuid) -> String {
    format!(
        r#"{{ "id":"WH-1",  "event_type": "CHECKOUT.ORDER.APPROVED", "n": 1.00, "summary": "caf\u00e9 }}",
          "resource": {{ "id": "5O190127TN364715T", "purchase_units": [{{ "custom_id": "{reference}" }}] }} }}"#
    )
}

#[tokio::test]
async fn an_event_names_the_payment_before_its_id_is_known() {
    let server = PayPalServer::start().await;
    let (gateway, reference) = (server.gateway(), Uuid::now_v7());
    let body = approved(reference);
    let headers = signed(&body, Utc::now());
    let about =
        CallbackSubject::Payment { reference: Some(reference), gateway_id: Some("5O190127TN364715T".to_owned()) };
    let expected = Notification { event_id: Some("WH-1".to_owned()), about };
    // Sent twice, it is the same event.
    for _ in 0..2 {
        assert_eq!(gateway.receive(&callback(&headers, "", &body)).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn events_about_money_lead_to_their_payment() {
    let server = PayPalServer::start().await;
    let (gateway, reference) = (server.gateway(), Uuid::now_v7());
    let related = r#""supplementary_data": { "related_ids": { "order_id": "5O1" } }"#;
    let known = CallbackSubject::Payment { reference: Some(reference), gateway_id: Some("5O1".to_owned()) };
    let by_reference = CallbackSubject::Payment { reference: Some(reference), gateway_id: None };
    let by_id = |id: &str| CallbackSubject::Payment { reference: None, gateway_id: Some(id.to_owned()) };
    let by_capture = CallbackSubject::Payment { reference: Some(reference), gateway_id: Some("CAP-1".to_owned()) };
    let custom = format!(r#""custom_id": "{reference}""#);
    let up = r#""links": [{ "rel": "self", "href": "https://x/refunds/REF-1" }, { "rel": "up", "href": "https://x/captures/CAP-1" }]"#;
    let disputed = format!(r#"{{ "custom": "{reference}", "seller_transaction_id": "CAP-1" }}"#);
    let cases = [
        ("PAYMENT.CAPTURE.COMPLETED", format!(r#"{{ "id": "CAP-1", {custom}, {related} }}"#), known),
        ("PAYMENT.CAPTURE.DENIED", format!(r#"{{ "id": "CAP-1", {custom} }}"#), by_capture.clone()),
        ("PAYMENT.CAPTURE.REVERSED", format!(r#"{{ "id": "REF-1", {custom} }}"#), by_reference),
        ("PAYMENT.CAPTURE.REFUNDED", format!(r#"{{ "id": "REF-1", {custom}, {up} }}"#), by_capture.clone()),
        ("PAYMENT.REFUND.FAILED", format!(r#"{{ "id": "REF-1", {custom}, {up} }}"#), by_capture.clone()),
        ("CUSTOMER.DISPUTE.CREATED", format!(r#"{{ "disputed_transactions": [{disputed}] }}"#), by_capture),
        ("PAYMENT.CAPTURE.PENDING", format!(r#"{{ "id": "CAP-1", "custom_id": "x", {related} }}"#), by_id("5O1")),
        ("PAYMENT.CAPTURE.PENDING", r#"{ "id": "CAP-of-somebody-else" }"#.to_owned(), by_id("CAP-of-somebody-else")),
        ("PAYMENT.CAPTURE.REVERSED", r#"{ "id": "REF-of-nobody" }"#.to_owned(), CallbackSubject::Nothing),
        ("BILLING.PLAN.CREATED", format!(r#"{{ {custom} }}"#), CallbackSubject::Nothing),
    ];
    for (event, resource, expected) in cases {
        let body = format!(r#"{{"id":"WH-2","event_type":"{event}","resource":{resource}}}"#);
        let headers = signed(&body, Utc::now());
        assert_eq!(gateway.receive(&callback(&headers, "", &body)).await.unwrap().about, expected, "{event}");
    }
}

#[tokio::test]
async fn a_forged_callback_is_refused() {
    let server = PayPalServer::start().await;
    let gateway = server.gateway();
    let body = approved(Uuid::now_v7());
    let headers = signed(&body, Utc::now());
    for left_out in 0..headers.len() {
        let mut fewer = headers.clone();
        fewer.remove(left_out);
        assert_eq!(gateway.receive(&callback(&fewer, "", &body)).await, Err(CallbackRefused::Forged), "{left_out}");
    }
    for (place, other) in [
        (3, "https://paypal.com.evil.example/v1/notifications/certs/CERT-1"),
        (3, "https://evilpaypal.com/CERT-1"),
        (3, "http://api.paypal.com/v1/notifications/certs/CERT-1"),
        (3, "https://evil.example/?.paypal.com"),
        (3, "no URL"),
        (4, "none"),
    ] {
        let mut elsewhere = headers.clone();
        elsewhere[place].1 = other.to_owned();
        assert_eq!(gateway.receive(&callback(&elsewhere, "", &body)).await, Err(CallbackRefused::Forged), "{other}");
    }
    let mut at_no_time = headers.clone();
    at_no_time[2].1 = "now".to_owned();
    assert_eq!(gateway.receive(&callback(&at_no_time, "", &body)).await, Err(CallbackRefused::Forged));
    assert!(server.fake.calls(VERIFY).is_empty(), "PayPal is not asked about what cannot be its own");

    let changed = body.replace("1.00", "1.0");
    assert_eq!(gateway.receive(&callback(&headers, "", &changed)).await, Err(CallbackRefused::Forged));
    server.fake.fail(VERIFY, Fault::Refuse(400));
    assert_eq!(gateway.receive(&callback(&headers, "", &body)).await, Err(CallbackRefused::Forged));
}

#[tokio::test]
async fn an_old_callback_or_one_of_the_future_is_refused() {
    let server = PayPalServer::start().await;
    let gateway = server.gateway();
    let body = approved(Uuid::now_v7());
    let sent_at = Utc::now();
    let headers = signed(&body, sent_at);
    for (seconds, is_heard) in [(0, true), (290, true), (-290, true), (310, false), (-310, false)] {
        let at = sent_at + TimeDelta::seconds(seconds);
        let heard = gateway.receive(&callback_at(at, &headers, "", &body)).await;
        assert_eq!(heard.is_ok(), is_heard, "{seconds}: {heard:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_checked_now_is_to_be_sent_again() {
    let server = PayPalServer::start().await;
    let gateway = server.gateway();
    let body = approved(Uuid::now_v7());
    let headers = signed(&body, Utc::now());
    for fault in Fault::UNKNOWN.iter().chain(&[Fault::Refuse(429), Fault::Refuse(403)]) {
        server.fake.fail(VERIFY, *fault);
        let refused = gateway.receive(&callback(&headers, "", &body)).await.unwrap_err();
        assert!(matches!(refused, CallbackRefused::Unchecked(_)), "{fault:?}: {refused:?}");
    }
    let refused = gateway_at(&closed_port().await).receive(&callback(&headers, "", &body)).await.unwrap_err();
    assert!(matches!(refused, CallbackRefused::Unchecked(_)), "{refused:?}");
}

#[tokio::test]
async fn what_nobody_can_read_is_malformed() {
    let server = PayPalServer::start().await;
    let gateway = server.gateway();
    // The last but one would leave its place in the request for verification.
    for body in ["", "hello", "[]", "1", r#"{"id":"WH-1"}"#, r#"{"id":"WH-1"},"webhook_id":"2""#, r#"{"id":"#] {
        let headers = signed(body, Utc::now());
        let refused = gateway.receive(&callback(&headers, "", body)).await.unwrap_err();
        assert!(matches!(refused, CallbackRefused::Malformed(_)), "{body}: {refused:?}");
    }
}
