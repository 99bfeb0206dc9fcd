//! An order that is paid on two rails, against the sandbox: what really happened to the money there.

use entities::{GatewaySessionStatus, OrderId, PaymentId, PaymentMethod, PaymentStatus, order};
use fixtures::{TestDatabase, on_both};
use payments::{
    Acceptor,
    receipts::{self, ReceiptVerdict},
    reviews,
};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};

use crate::{marketplace::Seller, sessions::Shop};

/// What anybody may report of an order.
fn receipt(order_id: OrderId) -> Value {
    json!({ "orderId": order_id, "method": "PAGO_MOVIL", "amountReported": 0.01, "reference": "1" })
}

impl Shop {
    async fn confirm(&self, order_id: OrderId) {
        let verdict = ReceiptVerdict { order_id, submission_id: None, confirmed: true, reason: None, request_id: None };
        let mut tx = self.worker.db().begin().await.unwrap();
        receipts::decide(&mut tx, &self.worker.merchant.caller(), verdict).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn order(&self, id: OrderId) -> order::Model {
        order::Entity::find().filter(order::Column::Id.eq(id)).one(&**self.worker.db()).await.unwrap().unwrap()
    }

    async fn give_back(&self, id: PaymentId) {
        self.decide_to_give_back(id).await;
        self.worker.run().await;
    }

    async fn decide_to_give_back(&self, id: PaymentId) {
        let mut tx = self.worker.db().begin().await.unwrap();
        let caller = self.worker.merchant.caller();
        reviews::resolve(&mut tx, &caller, id, PaymentStatus::Canceling, "paid twice", None).await.unwrap();
        tx.commit().await.unwrap();
    }
}

on_both!(nobody_talks_a_paid_order_down, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    let number = seller.sale("100.00").await;
    let before = seller.row(number).await;
    let (status, answer) = seller.post("/api/payments", &receipt(before.id)).await;
    assert_eq!((status, &answer["error"]), (409, &json!("The order is paid already")), "{answer}");
    assert_eq!(seller.row(number).await, before, "nothing is written");
    let (status, _) = seller.post("/api/payments/refund", &json!({ "order_id": number })).await;
    assert_eq!(status, 200);
    seller.shop.worker.run().await;
    assert_eq!(seller.row(number).await.status, "REFUNDED");
    let (status, answer) = seller.post("/api/payments", &receipt(before.id)).await;
    assert_eq!((status, &answer["error"]), (409, &json!("The order was paid and refunded")), "{answer}");
});

on_both!(an_intent_is_closed_at_the_processor_when_the_transfer_is_confirmed, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    let number = seller.order("100.00").await;
    assert_eq!(seller.intent(number).await.0, 200);
    let (session, order) = (seller.session_of(number).await, seller.row(number).await);
    assert_eq!(seller.post("/api/payments", &receipt(order.id)).await.0, 200);
    seller.shop.confirm(order.id).await;
    seller.shop.worker.run().await;
    assert_eq!(seller.shop.session(session).await.status, GatewaySessionStatus::Closed);
    let order = seller.row(number).await;
    assert_eq!((order.status.as_str(), order.paid_by), ("CONFIRMED", order.payment_id));
    assert_eq!(seller.shop.status(order.card_payment_id.unwrap()).await, PaymentStatus::Canceled);
    assert_eq!(seller.intent(number).await.0, 409);
});

on_both!(an_intent_that_was_paid_all_the_same_goes_back, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.shop.worker.endpoint(seller.node_id, &["payment.duplicate", "payment.needs_review", "refund.*"]).await;
    seller.onboard().await;
    let number = seller.order("100.00").await;
    assert_eq!(seller.intent(number).await.0, 200);
    let (session, order) = (seller.session_of(number).await, seller.row(number).await);
    assert_eq!(seller.post("/api/payments", &receipt(order.id)).await.0, 200);
    // The payer has paid, and the processor's callback is on its way.
    seller.shop.act(session, "approve").await;
    seller.shop.confirm(order.id).await;
    seller.shop.worker.run().await;
    let order = seller.row(number).await;
    let card = seller.shop.worker.payment(order.card_payment_id.unwrap()).await;
    assert_eq!((card.status, card.duplicate_of), (PaymentStatus::NeedsReview, order.payment_id));
    assert_eq!(
        (order.status.as_str(), seller.balance().await),
        ("CONFIRMED", (9_800, 0)),
        "the seller has it, for now"
    );
    seller.shop.give_back(card.id).await;
    assert_eq!(seller.shop.status(card.id).await, PaymentStatus::Refunded);
    assert_eq!((seller.row(number).await.status.as_str(), seller.balance().await), ("CONFIRMED", (0, 0)));
    let announced = ["payment.duplicate", "payment.needs_review", "refund.created", "refund.succeeded"];
    assert_eq!(seller.announced().await, announced);
    seller.clean().await;
});

on_both!(a_transfer_and_a_card_of_one_debt_end_with_one_of_them, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let caller = shop.worker.merchant.caller();
    let acceptor = Acceptor::start(shop.worker.db().clone());
    let mut transfer = shop.worker.merchant.payment("transfer");
    transfer.payment_method = PaymentMethod::BankTransfer;
    let transfer = acceptor.accept(&caller, transfer).await.unwrap().payment;
    let mut card = shop.worker.merchant.payment("card");
    (card.payment_method, card.order_id) = (PaymentMethod::CreditCard, transfer.order_id);
    let card = acceptor.accept(&caller, card).await.unwrap().payment;
    let order_id = transfer.order_id.unwrap();
    let session = shop.begin(card.id).await.unwrap();
    shop.worker.run().await;
    shop.act(session, "approve").await;
    let reported = shop.http.post(format!("{}/api/payments", shop.base_url)).json(&receipt(order_id)).send().await;
    assert_eq!(reported.unwrap().status(), 200);
    shop.confirm(order_id).await;
    shop.worker.run().await;
    let surplus = shop.worker.payment(card.id).await;
    assert_eq!((surplus.status, surplus.duplicate_of), (PaymentStatus::NeedsReview, Some(transfer.id)));
    shop.worker.lose_messages().await;
    shop.decide_to_give_back(card.id).await;
    shop.worker.lose_messages().await;
    // The message that has the gateway asked is lost: the safety net finds what should be on its way back.
    let context = shop.context();
    assert_eq!(worker::poll_straggling_sessions(&context, chrono::TimeDelta::zero()).await.unwrap(), 1);
    shop.worker.run().await;
    let session = shop.session(session).await;
    assert_eq!((shop.status(card.id).await, session.refunded), (PaymentStatus::Refunded, session.captured));
    assert_eq!(shop.order(order_id).await.status, "CONFIRMED");
    // Said once more, it is back already.
    shop.worker.deliver(queue::NewMessage::of(&payments::jobs::CheckSession::new(card.id, None))).await;
    assert_eq!(shop.session(session.id).await.refunded, session.captured);
    assert_eq!(shop.worker.dead_letters().await, Vec::<String>::new());
});
