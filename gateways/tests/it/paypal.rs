use std::sync::Arc;

use gateways::{Error, OnBehalf, Returns, State};
use serde_json::json;

use crate::{
    fake::{Fault, closed_port, handle, look_then_repeat, order},
    paypal_server::{PayPalServer, gateway_at},
};

const OPEN: &str = "POST /v2/checkout/orders";
const TOKEN: &str = "POST /v1/oauth2/token";

#[tokio::test]
async fn an_order_is_opened_as_paypal_documents_it() {
    let server = PayPalServer::start().await;
    let mut order = order("12.3", "EUR");
    order.locale = Some("fr-KM".to_owned());
    order.payer.email = Some("payer@example.com".to_owned());
    order.returns = Some(Returns {
        success: "https://shop.example/s".parse().unwrap(),
        cancel: "https://shop.example/c".parse().unwrap(),
    });
    let payment = server.gateway().open(&order).await.unwrap();
    assert_eq!(payment.state, State::Waiting);
    let page = format!("https://www.paypal.com/checkoutnow?token={}", payment.gateway_id);
    assert_eq!(payment.approve_url.unwrap().as_str(), page);
    assert!(payment.captured.is_zero() && payment.client_secret.is_none());

    let [call] = &server.fake.calls(OPEN)[..] else { panic!("not one call") };
    let reference = order.reference.to_string();
    assert_eq!(call.header("paypal-request-id"), reference);
    assert_eq!(call.header("authorization"), "Bearer token-1");
    assert_eq!(
        call.json(),
        json!({
            "intent": "CAPTURE",
            "purchase_units": [{
                "reference_id": reference, "custom_id": reference, "invoice_id": reference,
                "description": "Shop of Itsandra, order 7",
                "amount": { "currency_code": "EUR", "value": "12.30" },
            }],
            "payment_source": { "paypal": {
                "email_address": "payer@example.com",
                "experience_context": {
                    "user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING", "brand_name": "Itsandra",
                    "locale": "fr-KM", "return_url": "https://shop.example/s", "cancel_url": "https://shop.example/c",
                },
            } },
        })
    );
}

#[tokio::test]
async fn currencies_that_paypal_takes_without_fraction_are_written_so() {
    let server = PayPalServer::start().await;
    for (value, currency) in [("1500", "JPY"), ("990.00", "HUF"), ("30", "TWD")] {
        server.gateway().open(&order(value, currency)).await.unwrap();
    }
    let values: Vec<_> = server
        .fake
        .calls(OPEN)
        .iter()
        .map(|call| call.json()["purchase_units"][0]["amount"]["value"].clone())
        .collect();
    assert_eq!(values, ["1500", "990", "30"]);
    let error = server.gateway().open(&order("990.50", "HUF")).await.unwrap_err();
    assert!(matches!(error, Error::Declined { code, .. } if code == "amount_precision"));
    assert_eq!(server.orders(), 3);
}

#[tokio::test]
async fn a_refusal_is_reported_in_paypals_word() {
    let server = PayPalServer::start().await;
    let error = server.gateway().open(&order("100", "KMF")).await.unwrap_err();
    let Error::Declined { code, message } = error else { panic!("{error:?}") };
    assert_eq!((code.as_str(), message.as_str()), ("CURRENCY_NOT_SUPPORTED", "about CURRENCY_NOT_SUPPORTED"));
    let mut for_seller = order("1", "EUR");
    for_seller.on_behalf = Some(OnBehalf { account: "acct_1".to_owned(), fee: 0.into() });
    assert!(matches!(server.gateway().open(&for_seller).await, Err(Error::Declined { .. })));
    assert_eq!(server.orders(), 0);
}

#[tokio::test]
async fn what_never_arrived_may_be_requested_again() {
    let server = PayPalServer::start().await;
    let (order, gateway) = (order("5", "EUR"), server.gateway());
    let nowhere = gateway_at(&closed_port().await);
    assert!(matches!(nowhere.open(&order).await, Err(Error::Unavailable(_))));
    assert!(matches!(nowhere.look_up(&handle(&order, Some("5O1"))).await, Err(Error::Unavailable(_))));
    server.fake.fail(OPEN, Fault::Refuse(429));
    assert!(matches!(gateway.open(&order).await, Err(Error::Unavailable(_))));
    server.fake.fail(TOKEN, Fault::DoneThenCut);
    assert!(matches!(server.gateway().open(&order).await, Err(Error::Unavailable(_))), "a token moves nothing");
    server.fake.fail(OPEN, Fault::Refuse(403));
    assert!(matches!(gateway.open(&order).await, Err(Error::Misconfigured(_))));
    server.fake.fail(OPEN, Fault::Refuse(302));
    assert!(matches!(gateway.open(&order).await, Err(Error::Misconfigured(_))));
    assert_eq!(server.orders(), 0);
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_unknown_and_opened_once() {
    for fault in Fault::UNKNOWN {
        let server = PayPalServer::start().await;
        let (order, gateway) = (order("5", "EUR"), server.gateway());
        server.fake.fail(OPEN, *fault);
        let error = gateway.open(&order).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{fault:?}: {error:?}");
        let payment = look_then_repeat(&*gateway, &order).await;
        assert_eq!(payment.state, State::Waiting);
        server.approve(&payment.gateway_id);
        gateway.capture(&handle(&order, Some(&payment.gateway_id))).await.unwrap();
        assert_eq!((server.orders(), server.charges().len()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn queries_that_fail_move_nothing() {
    let server = PayPalServer::start().await;
    let (order, gateway) = (order("5", "EUR"), server.gateway());
    let id = gateway.open(&order).await.unwrap().gateway_id;
    for fault in Fault::UNKNOWN.iter().chain(&[Fault::Refuse(429), Fault::Refuse(422)]) {
        server.fake.fail("GET /v2/checkout/orders/", *fault);
        let error = gateway.look_up(&handle(&order, Some(&id))).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn one_token_serves_many_at_a_time_and_is_replaced_when_it_is_refused() {
    let server = PayPalServer::start().await;
    let gateway = server.gateway();
    let open_many = async || {
        let opened = (0..10).map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { gateway.open(&order("5", "EUR")).await })
        });
        for opened in opened.collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
    };
    open_many().await;
    assert_eq!(server.fake.calls(TOKEN).len(), 1);
    server.expire_tokens();
    open_many().await;
    assert_eq!(server.fake.calls(TOKEN).len(), 2);
    assert_eq!(server.orders(), 20);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let server = PayPalServer::start().await;
    server.shorten_tokens(1);
    let gateway = server.gateway();
    gateway.open(&order("5", "EUR")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(950)).await;
    gateway.open(&order("5", "EUR")).await.unwrap();
    assert_eq!((server.fake.calls(TOKEN).len(), server.fake.calls(OPEN).len()), (2, 2));
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_a_mistake_of_ours() {
    let server = PayPalServer::start().await;
    let gateway = server.gateway();
    for _ in 0..2 {
        server.fake.fail(OPEN, Fault::Refuse(401));
    }
    assert!(matches!(gateway.open(&order("5", "EUR")).await, Err(Error::Misconfigured(_))));
    assert_eq!((server.fake.calls(OPEN).len(), server.fake.calls(TOKEN).len()), (2, 2));
    for status in [400, 401, 403] {
        server.fake.fail(TOKEN, Fault::Refuse(status));
        assert!(matches!(server.gateway().open(&order("5", "EUR")).await, Err(Error::Misconfigured(_))), "{status}");
    }
    assert_eq!(server.orders(), 0);
}
