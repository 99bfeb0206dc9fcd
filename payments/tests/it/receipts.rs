//! Bank transfers: opened at once, reported, decided, and the order that follows wherever its payment goes.

use entities::{NodeId, OrderId, PaymentId, PaymentMethod, PaymentStatus, ReceiptMethod, ReceiptStatus, order};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Acceptor, Actor, Caller, Closing, Observation, RequestError,
    commands::{self, CommandError},
    orders::{self, NewOrder, OrderStatus},
    rail::{Lost, Shown},
    receipts::{self, NewReceipt, ReceiptVerdict},
    verdict,
};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{messages, observe, read, transitions};

pub(crate) async fn placed(db: &Database, node_id: NodeId) -> order::Model {
    let tx = db.begin().await.unwrap();
    let new = NewOrder {
        node_id,
        user_id: None,
        currency: "USD".to_owned(),
        total: "25.5".parse().unwrap(),
        total_bs: "930.75".parse().unwrap(),
        exchange_rate: None,
        items: json!([]),
    };
    let order = orders::place(&tx, new).await.unwrap();
    tx.commit().await.unwrap();
    order
}

fn receipt(order_id: OrderId) -> NewReceipt {
    NewReceipt {
        order_id,
        method: ReceiptMethod::Transferencia,
        amount_reported: "930.75".parse().unwrap(),
        reference: "004211".to_owned(),
        origin_bank: None,
        payer_name: None,
        receipt_url: None,
        requested_by: Actor::payer().into(),
    }
}

async fn report(db: &Database, order_id: OrderId) {
    let mut tx = db.begin().await.unwrap();
    receipts::report(&mut tx, receipt(order_id)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn decide(db: &Database, caller: &Caller, order_id: OrderId, confirmed: bool) -> Result<(), RequestError> {
    let verdict = ReceiptVerdict { order_id, submission_id: None, confirmed, reason: None, request_id: None };
    let mut tx = db.begin().await.unwrap();
    receipts::decide(&mut tx, caller, verdict).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn order(db: &Database, id: OrderId) -> order::Model {
    order::Entity::find().filter(order::Column::Id.eq(id)).one(&**db).await.unwrap().unwrap()
}

on_both!(a_transfer_is_open_at_once_and_has_an_order, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let mut new = merchant.payment("one");
    new.payment_method = PaymentMethod::BankTransfer;
    new.payment_address = "DE89 3704 0044 0532 0130 00".to_owned();
    let accepted = Acceptor::start(db.clone()).accept(&merchant.caller(), new).await.unwrap().payment;
    assert_eq!((accepted.status, accepted.sequence), (PaymentStatus::Open, 2));
    assert_eq!(read(db, accepted.id).await, accepted, "what is answered is what is stored");
    assert_eq!(transitions(db, accepted.id).await, ["payment.created", "payment.open"]);
    let sent = messages(db, accepted.id).await;
    assert_eq!(sent, ["expire_payment"], "no chain is asked, and its time runs out by itself");
    let order = order(db, OrderId(accepted.id.0)).await;
    assert_eq!((order.payment_id, order.status.as_str()), (Some(accepted.id), "PENDING"));
});

on_both!(an_orders_status_is_derived_wherever_its_payment_is_moved, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let placed = placed(db, merchant.node_id).await;
    report(db, placed.id).await;
    let payment = order(db, placed.id).await.payment_id.unwrap();
    let status = async || order(db, placed.id).await.status;
    assert_eq!(status().await, OrderStatus::Reported.word());
    for (what, payment_status, word) in [
        (Observation::ReceiptRejected { data: json!({}) }, PaymentStatus::Rejected, OrderStatus::Rejected),
        (Observation::ReceiptReported { data: json!({}) }, PaymentStatus::Submitted, OrderStatus::Reported),
        (Observation::ReceiptConfirmed { data: json!({}) }, PaymentStatus::Paid, OrderStatus::Confirmed),
        (
            Observation::FinalityBroken { lost: Lost::DealDeposited, data: json!({}) },
            PaymentStatus::NeedsReview,
            OrderStatus::UnderReview,
        ),
    ] {
        observe(db, payment, what).await;
        assert_eq!((read(db, payment).await.status, status().await.as_str()), (payment_status, word.word()));
    }
    let other = self::placed(db, merchant.node_id).await;
    report(db, other.id).await;
    decide(db, &merchant.caller(), other.id, true).await.unwrap();
    let paid = order(db, other.id).await.payment_id.unwrap();
    observe(db, paid, Observation::DealCanceled { deposit: Closing::Returned, transaction_hash: None }).await;
    assert_eq!(order(db, other.id).await.status, OrderStatus::Refunded.word());
});

on_both!(a_refused_verdict_or_receipt_writes_nothing, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let stranger = Merchant::insert(db, 2).await;
    let placed = placed(db, merchant.node_id).await;
    let early = decide(db, &merchant.caller(), placed.id, true).await;
    assert!(matches!(early, Err(RequestError::Conflict(_))), "{early:?}");
    report(db, placed.id).await;
    let theirs = decide(db, &stranger.caller(), placed.id, true).await;
    assert!(matches!(theirs, Err(RequestError::OutOfReach)), "{theirs:?}");
    decide(db, &merchant.caller(), placed.id, false).await.unwrap();
    let before = order(db, placed.id).await;
    let payment: PaymentId = before.payment_id.unwrap();
    let sequence = read(db, payment).await.sequence;
    decide(db, &merchant.caller(), placed.id, false).await.unwrap();
    let receipts = receipts::receipts_of(&**db, placed.id).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.status).collect::<Vec<_>>(), [ReceiptStatus::Rejected]);
    assert_eq!((order(db, placed.id).await, read(db, payment).await.sequence), (before, sequence));
});

on_both!(a_transfer_is_released_at_once_without_a_chain, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let placed = placed(db, merchant.node_id).await;
    report(db, placed.id).await;
    decide(db, &merchant.caller(), placed.id, true).await.unwrap();
    let id = order(db, placed.id).await.payment_id.unwrap();
    let canceled = commands::cancel(db, &merchant.caller(), id, None).await;
    assert!(matches!(canceled, Err(CommandError::Conflict(PaymentStatus::Paid, _))), "{canceled:?}");
    for _ in 0..2 {
        commands::release(db, &merchant.caller(), id, None).await.unwrap();
        assert_eq!(read(db, id).await.status, PaymentStatus::Completed);
    }
    assert_eq!(order(db, placed.id).await.status, OrderStatus::Confirmed.word());
    assert!(!messages(db, id).await.contains(&"release_deal".to_owned()));
});

on_both!(no_verdict_requests_of_a_chain_to_give_a_transfer_back, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = Merchant::insert(db, 1).await;
    let placed = placed(db, merchant.node_id).await;
    report(db, placed.id).await;
    let id = order(db, placed.id).await.payment_id.unwrap();
    commands::cancel(db, &merchant.caller(), id, None).await.unwrap();
    decide(db, &merchant.caller(), placed.id, true).await.unwrap();
    let reviewed = read(db, id).await;
    assert_eq!(reviewed.status, PaymentStatus::NeedsReview, "money was found for what had been given up");
    let offered: Vec<PaymentStatus> =
        verdict::allowed(&reviewed, Shown::DepositFinal, false, entities::now()).map(|rule| rule.to).collect();
    assert_eq!(offered, [PaymentStatus::Paid]);
});
