use std::sync::Arc;

use gateways::{Error, Gateway, Handle, Payment, State};
use rust_decimal::Decimal;

use crate::{
    fake::{Fault, handle, money, order, refund},
    paypal_server::PayPalServer,
};

struct Approved {
    server: PayPalServer,
    gateway: Arc<dyn Gateway>,
    handle: Handle,
    id: String,
}

/// An order over 20 euros, which the payer has approved.
async fn approved() -> Approved {
    let server = PayPalServer::start().await;
    let (order, gateway) = (order("20", "EUR"), server.gateway());
    let id = gateway.open(&order).await.unwrap().gateway_id;
    server.approve(&id);
    Approved { gateway, handle: handle(&order, Some(&id)), id, server }
}

async fn captured() -> Approved {
    let approved = approved().await;
    approved.gateway.capture(&approved.handle).await.unwrap();
    approved
}

fn sums(payment: &Payment) -> [Decimal; 3] {
    [payment.captured, payment.refunded, payment.reversed]
}

fn euros(whole: [i64; 3]) -> [Decimal; 3] {
    whole.map(Decimal::from)
}

impl Approved {
    async fn look(&self) -> Payment {
        self.gateway.look_up(&self.handle).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn an_approved_order_is_captured_once() {
    let it = approved().await;
    assert_eq!(it.look().await.state, State::Approved);
    for _ in 0..2 {
        let payment = it.gateway.capture(&it.handle).await.unwrap();
        assert_eq!((payment.state.clone(), sums(&payment)), (State::Captured, euros([20, 0, 0])));
    }
    assert_eq!(it.look().await.charge_id, Some(format!("CAP-{}", it.id)));
    assert_eq!(it.server.charges(), ["20.00"]);
    assert_eq!(it.server.fake.calls(&format!("POST /v2/checkout/orders/{}/capture", it.id)).len(), 1);
}

#[tokio::test]
async fn an_order_that_nobody_has_approved_waits() {
    let server = PayPalServer::start().await;
    let (order, gateway) = (order("20", "EUR"), server.gateway());
    let id = gateway.open(&order).await.unwrap().gateway_id;
    let payment = gateway.capture(&handle(&order, Some(&id))).await.unwrap();
    assert_eq!(payment.state, State::Waiting);
    assert!(payment.approve_url.is_some());
    let unknown = gateway.capture(&handle(&order, None)).await.unwrap_err();
    assert!(matches!(unknown, Error::Unknown(_)));
    assert!(server.charges().is_empty());
}

#[tokio::test]
async fn a_capture_whose_answer_is_lost_is_unknown_and_charges_once() {
    for fault in Fault::UNKNOWN {
        let it = approved().await;
        it.server.fake.fail(&format!("POST /v2/checkout/orders/{}/capture", it.id), *fault);
        let error = it.gateway.capture(&it.handle).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{fault:?}: {error:?}");
        assert_eq!(it.look().await.state, State::Captured, "{fault:?}");
        assert_eq!(it.gateway.capture(&it.handle).await.unwrap().state, State::Captured);
        assert_eq!(it.server.charges(), ["20.00"], "{fault:?}");
    }
}

#[tokio::test]
async fn two_captures_at_a_time_charge_once() {
    let it = approved().await;
    let (one, other) = tokio::join!(it.gateway.capture(&it.handle), it.gateway.capture(&it.handle));
    assert_eq!([one.unwrap().state, other.unwrap().state], [State::Captured, State::Captured]);
    assert_eq!(it.server.charges(), ["20.00"]);
}

#[tokio::test]
async fn a_declined_instrument_sends_the_payer_back_to_the_page() {
    let it = approved().await;
    it.server.decline_next_instrument();
    let payment = it.gateway.capture(&it.handle).await.unwrap();
    assert_eq!(payment.state, State::Waiting);
    assert_eq!(payment.approve_url.unwrap().as_str(), "https://www.paypal.com/checkoutnow?token=AGAIN");
    it.server.approve(&it.id);
    assert_eq!(it.gateway.capture(&it.handle).await.unwrap().state, State::Captured);
    let captures = it.server.fake.calls(&format!("POST /v2/checkout/orders/{}/capture", it.id));
    let ids: Vec<_> = captures.iter().map(|call| call.header("paypal-request-id").to_owned()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with(&it.handle.reference.to_string())), "{ids:?}");
    assert_eq!(it.server.charges(), ["20.00"]);
}

#[tokio::test]
async fn money_that_is_not_there_yet_is_not_captured() {
    for (status, expected) in [
        ("PENDING", State::Approved),
        (
            "DECLINED",
            State::Failed { code: "DECLINED".to_owned(), message: "PayPal did not take the money".to_owned() },
        ),
    ] {
        let it = approved().await;
        it.server.capture_as(status);
        let payment = it.gateway.capture(&it.handle).await.unwrap();
        assert_eq!((payment.state.clone(), sums(&payment)), (expected.clone(), euros([0, 0, 0])));
        // Asking again captures nothing more.
        assert_eq!(it.gateway.capture(&it.handle).await.unwrap().state, expected);
        assert_eq!(it.gateway.close(&it.handle).await.unwrap().state, expected);
        assert_eq!(it.server.fake.calls(&format!("POST /v2/checkout/orders/{}/capture", it.id)).len(), 1);
    }
}

#[tokio::test]
async fn what_is_not_captured_can_be_closed_and_what_is_cannot() {
    let server = PayPalServer::start().await;
    let (order, gateway) = (order("20", "EUR"), server.gateway());
    let id = gateway.open(&order).await.unwrap().gateway_id;
    let handle = handle(&order, Some(&id));
    assert_eq!(gateway.close(&handle).await.unwrap().state, State::Closed);
    server.approve(&id);
    assert_eq!(gateway.close(&handle).await.unwrap().state, State::Closed);
    gateway.capture(&handle).await.unwrap();
    let payment = gateway.close(&handle).await.unwrap();
    assert_eq!((payment.state.clone(), sums(&payment)), (State::Captured, euros([20, 0, 0])));
}

#[tokio::test]
async fn an_order_that_paypal_has_forgotten_or_voided_is_closed() {
    let it = approved().await;
    it.server.set_status(&it.id, "VOIDED");
    assert_eq!(it.look().await.state, State::Closed);
    it.server.forget(&it.id);
    assert_eq!(it.look().await.state, State::Closed);
    assert_eq!(it.gateway.capture(&it.handle).await.unwrap().state, State::Closed);
    assert_eq!(it.gateway.close(&it.handle).await.unwrap().state, State::Closed);
    assert!(it.server.charges().is_empty());
}

#[tokio::test]
async fn refunds_are_given_once_in_parts_and_never_beyond_what_was_taken() {
    let it = captured().await;
    let part = refund(money("5", "EUR"));
    for _ in 0..2 {
        assert_eq!(it.gateway.refund(&it.handle, &part).await.unwrap().state, State::Captured);
    }
    assert_eq!(sums(&it.look().await), euros([20, 5, 0]));
    let error = it.gateway.refund(&it.handle, &refund(money("15.01", "EUR"))).await.unwrap_err();
    assert!(matches!(error, Error::Declined { code, .. } if code == "REFUND_AMOUNT_EXCEEDED"));
    it.gateway.refund(&it.handle, &refund(money("15", "EUR"))).await.unwrap();
    let payment = it.look().await;
    assert_eq!((payment.state.clone(), sums(&payment)), (State::Captured, euros([20, 20, 0])));
    assert_eq!(it.server.refunds(), ["5.00", "15.00"]);
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_found() {
    for fault in Fault::UNKNOWN {
        let it = captured().await;
        let part = refund(money("5", "EUR"));
        assert!(it.gateway.look_up_refund(&it.handle, &part).await.unwrap().is_none());
        it.server.fake.fail("POST /v2/payments/captures/", *fault);
        let error = it.gateway.refund(&it.handle, &part).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{fault:?}: {error:?}");
        let found = it.gateway.look_up_refund(&it.handle, &part).await.unwrap().unwrap();
        assert_eq!((found.gateway_id.as_str(), found.state), ("REF-0", State::Captured));
        it.gateway.refund(&it.handle, &part).await.unwrap();
        assert_eq!(it.server.refunds(), ["5.00"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_refund_may_take_its_time_or_fail() {
    let it = captured().await;
    let part = refund(money("5", "EUR"));
    it.gateway.refund(&it.handle, &part).await.unwrap();
    for (status, expected) in [("PENDING", "Waiting"), ("FAILED", "Failed"), ("CANCELLED", "Failed")] {
        it.server.set_refund(&it.id, status);
        let found = it.gateway.look_up_refund(&it.handle, &part).await.unwrap().unwrap();
        assert!(format!("{:?}", found.state).starts_with(expected), "{status}: {found:?}");
        assert_eq!(sums(&it.look().await), euros([20, 0, 0]), "{status}");
    }
}

#[tokio::test]
async fn nothing_is_given_back_before_anything_is_taken() {
    let it = approved().await;
    let error = it.gateway.refund(&it.handle, &refund(money("5", "EUR"))).await.unwrap_err();
    assert!(matches!(error, Error::Declined { code, .. } if code == "nothing_captured"));
}

#[tokio::test]
async fn what_the_payers_bank_takes_back_is_reversed() {
    let it = captured().await;
    it.gateway.refund(&it.handle, &refund(money("5", "EUR"))).await.unwrap();
    for (status, reason) in [("REVERSED", ""), ("PENDING", "CHARGEBACK"), ("PENDING", "BUYER_COMPLAINT")] {
        it.server.set_capture(&it.id, status, reason);
        let payment = it.look().await;
        assert_eq!((payment.state.clone(), sums(&payment)), (State::Captured, euros([20, 5, 15])), "{status} {reason}");
    }
    // The dispute is won.
    it.server.set_capture(&it.id, "PARTIALLY_REFUNDED", "");
    assert_eq!(sums(&it.look().await), euros([20, 5, 0]));
}

#[tokio::test]
async fn what_is_not_documented_is_never_taken_for_something_else() {
    let it = captured().await;
    it.server.set_status(&it.id, "PERHAPS");
    assert!(matches!(it.gateway.look_up(&it.handle).await, Err(Error::Unknown(_))));
    it.server.set_status(&it.id, "COMPLETED");
    let other = Handle { amount: money("20", "JPY"), ..it.handle.clone() };
    assert!(matches!(it.gateway.look_up(&other).await, Err(Error::Unknown(_))), "another currency");
}
