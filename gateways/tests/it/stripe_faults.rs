//! What the adapter says when something goes wrong, and that looking and asking again makes one payment.

use std::time::Duration;

use chrono::Utc;
use gateways::{Error, Gateway, Handle, Order, State, Stripe};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    fake_stripe::{FakeStripe, Fault, card_declined},
    stripe::{config, euros, handle, impatient, known, order, order_for_seller, pair},
};

fn word(error: &Error) -> &'static str {
    match error {
        Error::Declined { .. } => "declined",
        Error::Unavailable(_) => "unavailable",
        Error::Misconfigured(_) => "misconfigured",
        Error::Unknown(_) => "unknown",
    }
}

fn refuse(status: u16, kind: &str, code: &str) -> Fault {
    Fault::Refuse(status, json!({"error": {"type": kind, "code": code, "message": "No."}}))
}

/// Each fault, what the adapter calls it, and whether the payment is there nevertheless.
fn faults() -> Vec<(&'static str, Fault, &'static str, bool)> {
    let padding = "x".repeat(9 << 20);
    let endless = format!(r#"{{"id": "cs_1", "status": "open", "payment_status": "unpaid", "pad": "{padding}"}}"#);
    let stripes = r#"{"error": {"type": "api_error", "message": "An error."}}"#;
    vec![
        ("the card is declined", card_declined(), "declined", false),
        ("a field is refused", refuse(400, "invalid_request_error", "email_invalid"), "declined", false),
        ("the key is refused", refuse(401, "invalid_request_error", "api_key_expired"), "misconfigured", false),
        ("the key may not", refuse(403, "invalid_request_error", "more_permissions_required"), "misconfigured", false),
        ("another address", Fault::Refuse(302, json!({})), "misconfigured", false),
        ("too many requests", refuse(429, "invalid_request_error", "rate_limit"), "unavailable", false),
        ("the key is under way", refuse(409, "idempotency_error", "idempotency_key_in_use"), "unknown", false),
        ("something is locked", refuse(409, "invalid_request_error", "lock_timeout"), "unknown", false),
        ("what is behind Stripe failed", refuse(424, "api_error", "external"), "unknown", false),
        ("an error before it was done", refuse(500, "api_error", "none"), "unknown", false),
        ("an error after it was done", Fault::Instead(500, stripes), "unknown", true),
        ("a proxy's error after it was done", Fault::Instead(502, "<html>Bad gateway</html>"), "unknown", true),
        ("a garbled answer", Fault::Instead(200, "{\"id\": \"cs_te"), "unknown", true),
        ("an answer about something else", Fault::Instead(200, "{\"hello\": 1}"), "unknown", true),
        ("an answer without end", Fault::Instead(200, endless.leak()), "unknown", true),
        ("the answer is lost", Fault::Cut, "unknown", true),
        ("the answer is too late", Fault::Slow(Duration::from_secs(4)), "unknown", true),
    ]
}

#[tokio::test]
async fn each_fault_of_opening_has_its_word_and_a_query_finds_what_was_made() {
    for (what, fault, expected, there) in faults() {
        for order in [order(euros("10")), order_for_seller(euros("10"), "1")] {
            let (fake, stripe) = pair().await;
            let asked = handle(&order);
            let hurried = impatient(&format!("http://{}", fake.address));
            let asking = if matches!(fault, Fault::Slow(_)) { &hurried } else { &stripe };
            fake.fail(fault.clone());
            let error = asking.open(&order).await.unwrap_err();
            assert_eq!(word(&error), expected, "{what}: {error}");
            assert!(!error.to_string().contains("sk_test"), "{what}: {error}");

            let found = stripe.look_up(&asked).await.unwrap();
            assert_eq!(found.is_some(), there, "{what}");
            assert!(found.is_none_or(|payment| payment.state == State::Waiting), "{what}");
            // Whatever asking again is answered, there is no second payment.
            let again = stripe.open(&order).await;
            let made = fake.books().ledger.objects.len();
            assert_eq!(made, usize::from(there || again.is_ok()), "{what}: {again:?}");
            assert_eq!(stripe.look_up(&asked).await.unwrap().is_some(), made == 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_declined_payment_has_stripes_code_and_words() {
    let (fake, stripe) = pair().await;
    fake.fail(card_declined());
    let Err(Error::Declined { code, message }) = stripe.open(&order(euros("10"))).await else { panic!("not declined") };
    assert_eq!((code.as_str(), message.as_str()), ("card_declined", "Your card has insufficient funds."));
}

#[tokio::test]
async fn nothing_has_left_when_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let stripe = Stripe::new(&config(&format!("http://{address}"))).unwrap();
    let order = order(euros("10"));
    assert_eq!(word(&stripe.open(&order).await.unwrap_err()), "unavailable");
    assert_eq!(word(&stripe.look_up(&handle(&order)).await.unwrap_err()), "unavailable");
}

#[tokio::test]
async fn an_answer_that_is_late_is_under_way_and_then_the_same() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    fake.fail(Fault::Slow(Duration::from_secs(4)));
    let hurried = impatient(&format!("http://{}", fake.address));
    assert_eq!(word(&hurried.open(&order).await.unwrap_err()), "unknown");
    // Stripe is still at it.
    assert_eq!(word(&stripe.open(&order).await.unwrap_err()), "unknown");
    let opened = loop {
        match stripe.open(&order).await {
            Ok(opened) => break opened,
            Err(error) => assert_eq!(word(&error), "unknown"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(stripe.open(&order).await.unwrap().gateway_id, opened.gateway_id);
    assert_eq!(fake.books().ledger.ids("cs_").len(), 1);
}

#[tokio::test]
async fn one_key_with_another_body_may_have_been_carried_out() {
    let (fake, stripe) = pair().await;
    let first = order(euros("10"));
    stripe.open(&first).await.unwrap();
    let second = Order { amount: euros("11"), ..first };
    assert_eq!(word(&stripe.open(&second).await.unwrap_err()), "unknown");
    assert_eq!(fake.books().ledger.ids("cs_").len(), 1);
}

#[tokio::test]
async fn what_stripe_cannot_take_is_not_sent() {
    let (fake, stripe) = pair().await;
    for order in
        [order(euros("0.001")), Order { returns: None, ..order(euros("10")) }, order_for_seller(euros("10"), "0.005")]
    {
        assert_eq!(word(&stripe.open(&order).await.unwrap_err()), "declined");
    }
    assert!(fake.books().calls.is_empty());
}

#[tokio::test]
async fn a_query_changes_nothing_so_that_its_faults_are_no_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It takes connections and says nothing.
    let silent = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let stripe = impatient(&format!("http://{address}"));
    let order = order(euros("10"));
    for handle in [handle(&order), Handle { gateway_id: Some("cs_test_1".to_owned()), ..handle(&order) }] {
        assert_eq!(word(&stripe.look_up(&handle).await.unwrap_err()), "unavailable");
    }
    assert_eq!(word(&stripe.open(&order).await.unwrap_err()), "unknown");
    silent.abort();
}

#[tokio::test]
async fn a_query_that_is_refused_does_not_say_that_the_payment_is() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    let opened = stripe.open(&order).await.unwrap();
    for (status, expected) in [
        (400, "misconfigured"),
        (402, "misconfigured"),
        (404, "misconfigured"),
        (429, "unavailable"),
        (500, "unavailable"),
        (503, "unavailable"),
    ] {
        for handle in [handle(&order), known(&order, &opened)] {
            fake.books().look_fault = Some(status);
            assert_eq!(word(&stripe.look_up(&handle).await.unwrap_err()), expected, "{status}");
        }
    }
}

#[tokio::test]
async fn a_closing_whose_answer_is_lost_can_be_repeated() {
    let (fake, stripe) = pair().await;
    for order in [order(euros("10")), order_for_seller(euros("10"), "1")] {
        let opened = stripe.open(&order).await.unwrap();
        fake.fail(Fault::Cut);
        assert_eq!(word(&stripe.close(&known(&order, &opened)).await.unwrap_err()), "unknown");
        assert_eq!(stripe.close(&known(&order, &opened)).await.unwrap().state, State::Closed);
    }
    let never = Handle { asked_at: Utc::now(), ..handle(&order(euros("10"))) };
    assert_eq!(word(&stripe.close(&never).await.unwrap_err()), "declined");
}

#[tokio::test]
async fn a_key_that_is_wrong_is_ours_to_mend() {
    let fake = FakeStripe::start().await;
    let mut config = config(&format!("http://{}", fake.address));
    config.secret_key = "sk_test_another".into();
    let stripe = Stripe::new(&config).unwrap();
    let error = stripe.look_up(&handle(&order(euros("10")))).await.unwrap_err();
    assert_eq!(word(&error), "misconfigured");
    assert!(!error.to_string().contains("sk_test"), "{error}");
}
