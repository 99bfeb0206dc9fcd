//! The client of phoenixd: every documented answer, and every way in which one may be lost.

use std::time::Duration;

use chrono::DateTime;
use fixtures::{Fault, LightningNode, unused_address};
use gateways::{
    Callback, CallbackRefused, CallbackSubject, Error, Notification, Phoenixd, PhoenixdConfig,
    phoenixd::{InvoiceKey, Received},
};
use serde_json::json;
use uuid::Uuid;

fn config(base_url: &str) -> PhoenixdConfig {
    PhoenixdConfig {
        base_url: base_url.to_owned(),
        password: LightningNode::PASSWORD.into(),
        webhook_secret: LightningNode::WEBHOOK_SECRET.into(),
        timeout_ms: 500,
        ..PhoenixdConfig::default()
    }
}

fn client(base_url: &str) -> Phoenixd {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Phoenixd::new(&config(base_url)).unwrap()
}

const EXPIRY: Duration = Duration::from_secs(600);

#[tokio::test]
async fn an_invoice_is_made_and_read_field_by_field() {
    let node = LightningNode::start().await;
    // Whether or not the address ends with a slash.
    let client = client(&format!("{}/", node.base_url));
    let reference = Uuid::now_v7();
    assert_eq!(client.look_up(InvoiceKey::Reference(reference)).await.unwrap(), None);
    let made = client.create_invoice(reference, 12_500, "Payment 7", EXPIRY).await.unwrap();
    let there = node.invoices().remove(0);
    assert_eq!((made.payment_hash.as_str(), made.paid.as_ref()), (there.payment_hash.as_str(), None));
    assert_eq!(made.bolt11, format!("lnbcrt1{}", there.payment_hash));
    assert_eq!((there.amount_sat, there.expiry_s), (12_500, 600));
    assert_eq!((there.description.as_str(), there.external_id), ("Payment 7", reference.to_string()));
    for name in [InvoiceKey::Reference(reference), InvoiceKey::Hash(&made.payment_hash)] {
        assert_eq!(client.look_up(name).await.unwrap().unwrap(), made);
    }
    node.pay();
    let at = DateTime::from_timestamp_millis(1_712_785_550_079).unwrap();
    for name in [InvoiceKey::Reference(reference), InvoiceKey::Hash(&made.payment_hash)] {
        let paid = client.look_up(name).await.unwrap().unwrap().paid;
        assert_eq!(paid, Some(Received { amount_sat: 12_500, fees_msat: 0, at }));
    }
    assert_eq!(client.look_up(InvoiceKey::Hash(&"0".repeat(64))).await.unwrap(), None);
}

#[tokio::test]
async fn what_may_have_happened_is_unknown_and_what_has_not_is_unavailable() {
    let node = LightningNode::start().await;
    let client_here = client(&node.base_url);
    let make = async |client: &Phoenixd| client.create_invoice(Uuid::now_v7(), 1, "x", EXPIRY).await.unwrap_err();
    for fault in [Fault::AnswerLost, Fault::FailsAfter, Fault::Fails, Fault::Slow(Duration::from_secs(2))] {
        node.break_next(fault);
        let error = make(&client_here).await;
        assert!(matches!(error, Error::Unknown(_)), "{fault:?}: {error:?}");
        node.break_next(fault);
        let error = client_here.look_up(InvoiceKey::Hash(&"0".repeat(64))).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{fault:?}: {error:?}");
    }
    let error = make(&client(&unused_address().await)).await;
    assert!(matches!(error, Error::Unavailable(_)), "closed port: {error:?}");
    node.break_next(Fault::Refuses);
    let error = make(&client_here).await;
    assert!(matches!(&error, Error::Declined { code, message } if code == "http_400" && message.contains("too large")));
}

#[tokio::test]
async fn an_invoice_whose_answer_is_lost_is_found_by_its_reference() {
    let node = LightningNode::start().await;
    let client = client(&node.base_url);
    for fault in [Fault::AnswerLost, Fault::FailsAfter, Fault::Slow(Duration::from_secs(2))] {
        let reference = Uuid::now_v7();
        node.break_next(fault);
        assert!(client.create_invoice(reference, 7, "x", EXPIRY).await.is_err());
        let found = client.look_up(InvoiceKey::Reference(reference)).await.unwrap().unwrap();
        assert_eq!(Some(found.payment_hash), node.invoices().pop().map(|invoice| invoice.payment_hash));
    }
    assert_eq!(node.invoices().len(), 3);
}

#[tokio::test]
async fn wrong_settings_are_distinguished_from_a_node_that_is_away() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let node = LightningNode::start().await;
    let wrong = PhoenixdConfig { password: "guess".into(), ..config(&node.base_url) };
    let error = Phoenixd::new(&wrong).unwrap().look_up(InvoiceKey::Hash(&"0".repeat(64))).await.unwrap_err();
    assert!(matches!(&error, Error::Misconfigured(text) if text.contains("password") && !text.contains("guess")));
    let error = client(&format!("{}/elsewhere", node.base_url)).create_invoice(Uuid::now_v7(), 1, "x", EXPIRY).await;
    assert!(matches!(error, Err(Error::Misconfigured(_))), "{error:?}");
}

fn heard(config: &PhoenixdConfig, signature: Option<&str>, body: &str) -> Result<Notification, CallbackRefused> {
    let headers = signature.map(|signature| ("x-phoenix-signature".to_owned(), signature.to_owned()));
    let headers: Vec<(String, String)> = headers.into_iter().collect();
    config.receive(&Callback { headers: &headers, query: "", body: body.as_bytes(), at: chrono::Utc::now() })
}

#[test]
fn only_the_nodes_own_callbacks_are_accepted() {
    let config = config("http://127.0.0.1:9740");
    let (hash, reference) = ("a".repeat(64), Uuid::now_v7());
    let body = json!({
        "type": "payment_received", "timestamp": 1_712_785_550_079_i64, "amountSat": 8, "paymentHash": hash,
        "externalId": reference, "payerNote": null, "payerKey": null,
    });
    let body = body.to_string();
    let good = config.signature(body.as_bytes());
    let about = CallbackSubject::Payment { reference: Some(reference), gateway_id: Some(hash.clone()) };
    assert_eq!(heard(&config, Some(&good), &body), Ok(Notification { event_id: None, about }));
    for forged in [None, Some(""), Some("zz"), Some(&good[2..]), Some(&config.signature(b"{}")), Some(&"0".repeat(64))]
    {
        assert_eq!(heard(&config, forged, &body), Err(CallbackRefused::Forged), "{forged:?}");
    }
    assert_eq!(heard(&config, Some(&good), &body.replace(":8,", ":9,")), Err(CallbackRefused::Forged));
    let open = PhoenixdConfig { webhook_secret: "".into(), ..config.clone() };
    let signed_with_nothing = open.signature(body.as_bytes());
    assert_eq!(
        heard(&open, Some(&signed_with_nothing), &body),
        Err(CallbackRefused::Forged),
        "no secret, no callbacks"
    );
    for malformed in
        ["", "{", "[]", "{}", r#"{"type":"payment_received"}"#, r#"{"type":"payment_received","paymentHash":"7"}"#]
    {
        let signature = config.signature(malformed.as_bytes());
        let answer = heard(&config, Some(&signature), malformed);
        assert!(matches!(answer, Err(CallbackRefused::Malformed(_))), "{malformed}: {answer:?}");
    }
    let other = r#"{"type":"payment_sent"}"#;
    let answer = heard(&config, Some(&config.signature(other.as_bytes())), other).unwrap();
    assert_eq!(answer.about, CallbackSubject::Nothing);
    // Invoices of other programs that share the node name other things.
    let foreign =
        format!(r#"{{"type":"payment_received","amountSat":8,"paymentHash":"{hash}","externalId":"order-7"}}"#);
    let answer = heard(&config, Some(&config.signature(foreign.as_bytes())), &foreign).unwrap();
    assert_eq!(answer.about, CallbackSubject::Payment { reference: None, gateway_id: Some(hash) });
}
