//! Money that goes back by Stripe.

use chrono::Utc;
use gateways::{Error, Gateway, Handle, Order, Refund, State, Stripe};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    fake_stripe::{FakeStripe, Fault},
    stripe::{decimal, euros, handle, known, order, order_for_seller, pair},
};

fn refund(amount: &str, fee: &str) -> Refund {
    Refund {
        reference: Uuid::new_v4(),
        amount: euros(amount),
        fee: decimal(fee),
        reason: Some("the cup was broken".to_owned()),
        asked_at: Utc::now(),
    }
}

async fn paid(fake: &FakeStripe, stripe: &Stripe, order: &Order) -> Handle {
    let opened = stripe.open(order).await.unwrap();
    fake.books().ledger.pay(&opened.gateway_id);
    known(order, &opened)
}

#[tokio::test]
async fn a_shops_refund_goes_back_once() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    let handle = paid(&fake, &stripe, &order).await;
    let part = refund("4", "0");
    assert!(stripe.look_up_refund(&handle, &part).await.unwrap().is_none());
    let first = stripe.refund(&handle, &part).await.unwrap();
    assert_eq!(first.state, State::Captured);
    assert_eq!(stripe.refund(&handle, &part).await.unwrap().gateway_id, first.gateway_id);
    assert_eq!(stripe.look_up_refund(&handle, &part).await.unwrap().unwrap().gateway_id, first.gateway_id);

    let (call, ours) = (fake.call("POST /v1/refunds"), part.reference.to_string());
    assert_eq!(call.field("amount"), Some("400"));
    assert!(call.field("payment_intent").unwrap().starts_with("pi_"));
    assert_eq!(call.field("metadata[reference]"), Some(ours.as_str()));
    assert_eq!(call.field("metadata[reason]"), Some("the cup was broken"));
    assert_eq!(call.header("idempotency-key"), Some(ours.as_str()));
    assert_eq!((call.field("reverse_transfer"), call.field("refund_application_fee")), (None, None));
    assert_eq!(stripe.look_up(&handle).await.unwrap().unwrap().refunded, decimal("4"));

    // Never more than was captured.
    let Err(Error::Declined { code, .. }) = stripe.refund(&handle, &refund("6.01", "0")).await else {
        panic!("given back too much")
    };
    assert_eq!(code, "charge_already_refunded");
    stripe.refund(&handle, &refund("6", "0")).await.unwrap();
    assert_eq!(stripe.look_up(&handle).await.unwrap().unwrap().refunded, decimal("10"));
}

#[tokio::test]
async fn a_sellers_refund_takes_the_money_from_the_seller_and_gives_the_fee_back() {
    let (fake, stripe) = pair().await;
    let order = order_for_seller(euros("10"), "0.20");
    let handle = paid(&fake, &stripe, &order).await;
    for (fee, given_back) in [("0.08", "true"), ("0", "false")] {
        stripe.refund(&handle, &refund("4", fee)).await.unwrap();
        let call = fake.last_call();
        assert_eq!(call.field("reverse_transfer"), Some("true"));
        assert_eq!(call.field("refund_application_fee"), Some(given_back));
    }
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_found_and_not_made_twice() {
    let (fake, stripe) = pair().await;
    for order in [order(euros("10")), order_for_seller(euros("10"), "0.20")] {
        let handle = paid(&fake, &stripe, &order).await;
        let part = refund("4", "0.08");
        fake.fail(Fault::Cut);
        assert!(matches!(stripe.refund(&handle, &part).await, Err(Error::Unknown(_))));
        let found = stripe.look_up_refund(&handle, &part).await.unwrap().unwrap();
        assert_eq!(found.state, State::Captured);
        assert_eq!(stripe.refund(&handle, &part).await.unwrap().gateway_id, found.gateway_id);
        assert_eq!(stripe.look_up(&handle).await.unwrap().unwrap().refunded, decimal("4"));
    }
    assert_eq!(fake.books().ledger.ids("re_").len(), 2);
}

#[tokio::test]
async fn a_refund_is_reported_with_its_status() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    let handle = paid(&fake, &stripe, &order).await;
    let part = refund("4", "0");
    let made = stripe.refund(&handle, &part).await.unwrap();
    let failed =
        |code: &str| State::Failed { code: code.to_owned(), message: "The refund did not reach the payer.".to_owned() };
    for (status, reason, state) in [
        ("pending", None, State::Waiting),
        ("requires_action", None, State::Waiting),
        ("succeeded", None, State::Captured),
        ("failed", Some("expired_or_canceled_card"), failed("expired_or_canceled_card")),
        ("canceled", None, failed("canceled")),
    ] {
        fake.books().ledger.set(&made.gateway_id, "status", status);
        fake.books().ledger.set(&made.gateway_id, "failure_reason", reason.map_or(Value::Null, Value::from));
        assert_eq!(stripe.look_up_refund(&handle, &part).await.unwrap().unwrap().state, state, "{status}");
    }
}

#[tokio::test]
async fn nothing_is_given_back_of_what_nobody_paid() {
    let (fake, stripe) = pair().await;
    let shops = order(euros("10"));
    stripe.open(&shops).await.unwrap();
    let part = refund("4", "0");
    assert!(matches!(stripe.refund(&handle(&shops), &part).await, Err(Error::Declined { .. })));
    assert!(stripe.look_up_refund(&handle(&shops), &part).await.unwrap().is_none());
    let sellers = order_for_seller(euros("10"), "1");
    stripe.open(&sellers).await.unwrap();
    assert!(matches!(stripe.refund(&handle(&sellers), &part).await, Err(Error::Declined { .. })));
    assert!(fake.books().ledger.ids("re_").is_empty());
}
