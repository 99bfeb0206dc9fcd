//! Receipts that may be of one transfer, how many of them wait at a time, and verdicts on one of several.

use entities::{OrderId, PaymentStatus, ReceiptMethod, ReceiptStatus, SubmissionId, payment_submission};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Actor, Conflict, RequestError,
    receipts::{self, NewReceipt, ReceiptVerdict},
};
use queue::Database;
use sea_orm::EntityTrait;

use super::{read, receipts::placed, transitions};

async fn report(db: &Database, order_id: OrderId, reference: &str) -> Result<SubmissionId, RequestError> {
    let new = NewReceipt {
        order_id,
        method: ReceiptMethod::PagoMovil,
        amount_reported: "930.75".parse().unwrap(),
        reference: reference.to_owned(),
        origin_bank: None,
        payer_name: None,
        receipt_url: None,
        requested_by: Actor::payer().into(),
    };
    let mut tx = db.begin().await.unwrap();
    let id = receipts::report(&mut tx, new).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

async fn decide(db: &Database, shop: &Merchant, order_id: OrderId, id: SubmissionId, confirmed: bool) {
    let reason = Some("not there".to_owned());
    let verdict = ReceiptVerdict { order_id, submission_id: Some(id), confirmed, reason, request_id: None };
    let mut tx = db.begin().await.unwrap();
    receipts::decide(&mut tx, &shop.caller(), verdict).await.unwrap();
    tx.commit().await.unwrap();
}

async fn stored(db: &Database, id: SubmissionId) -> payment_submission::Model {
    payment_submission::Entity::find_by_id(id).one(&**db).await.unwrap().unwrap()
}

on_both!(one_number_of_a_bank_on_two_orders_is_pointed_out, async |database: TestDatabase| {
    let (db, shop) = (&database.db, Merchant::insert(&database.db, 1).await);
    let other_shop = Merchant::insert(db, 2).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(placed(db, shop.node_id).await.id);
    }
    let theirs = placed(db, other_shop.node_id).await.id;
    let of =
        async |order: OrderId| receipts::duplicates_of(&**db, order).await.unwrap().into_iter().collect::<Vec<_>>();
    report(db, theirs, "4211").await.unwrap();
    let first = report(db, orders[0], "00 42-11").await.unwrap();
    assert_eq!(of(orders[0]).await, [], "another shop's bank may have the same number");
    let second = report(db, orders[1], "4211").await.unwrap();
    let third = report(db, orders[2], "0004211").await.unwrap();
    report(db, orders[3], "4212").await.unwrap();
    assert_eq!((of(orders[0]).await, of(orders[3]).await), (vec![], vec![]), "it was there first, and another number");
    assert_eq!((of(orders[1]).await, of(orders[2]).await), (vec![(second, first)], vec![(third, first)]));
    decide(db, &shop, orders[0], first, false).await;
    assert_eq!(
        (of(orders[1]).await, of(orders[2]).await),
        (vec![], vec![(third, second)]),
        "what is rejected is no hint"
    );
    decide(db, &shop, orders[2], third, true).await;
    for (order, receipt) in [(orders[0], first), (orders[1], second)] {
        assert_eq!(of(order).await, [(receipt, third)], "what is confirmed is one, also when it came later");
    }
    assert_eq!(of(orders[2]).await, [(third, second)], "whoever has confirmed it may still look at the other");
    assert_eq!((of(orders[3]).await, of(theirs).await), (vec![], vec![]));
});

on_both!(so_many_receipts_wait_for_a_verdict_and_no_more, async |database: TestDatabase| {
    let (db, shop) = (&database.db, Merchant::insert(&database.db, 1).await);
    let order = placed(db, shop.node_id).await.id;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(report(db, order, &format!("R{number}")).await.unwrap());
    }
    let full = report(db, order, "one more").await;
    assert!(matches!(full, Err(RequestError::Conflict(Conflict::Undecided(20)))), "{full:?}");
    assert_eq!(report(db, order, "R7").await.unwrap(), ids[7], "a form that is sent twice is one receipt");
    decide(db, &shop, order, ids[3], false).await;
    assert!(report(db, order, "one more").await.is_ok(), "a verdict makes room");
    let again = report(db, order, "R3").await;
    assert!(again.is_err(), "what was decided on is another receipt, and the room is taken");
    assert_eq!(receipts::receipts_of(&**db, order).await.unwrap().len(), 21);
    let unknown = report(db, OrderId::new(), "R1").await;
    assert!(matches!(unknown, Err(RequestError::NotFound(payments::Missing::Order))), "{unknown:?}");
});

on_both!(a_verdict_on_one_receipt_leaves_the_others_and_says_why_or_when, async |database: TestDatabase| {
    let (db, shop) = (&database.db, Merchant::insert(&database.db, 1).await);
    let order = placed(db, shop.node_id).await.id;
    let (one, other) = (report(db, order, "A").await.unwrap(), report(db, order, "B").await.unwrap());
    let payment = stored(db, one).await.payment_id;
    decide(db, &shop, order, one, false).await;
    let rejected = stored(db, one).await;
    assert_eq!((rejected.status, rejected.rejection_reason.as_deref()), (ReceiptStatus::Rejected, Some("not there")));
    assert_eq!((rejected.verified_at, stored(db, other).await.status), (None, ReceiptStatus::Reported));
    assert_eq!(read(db, payment).await.status, PaymentStatus::Rejected);
    decide(db, &shop, order, one, true).await;
    let confirmed = stored(db, one).await;
    assert_eq!((confirmed.status, confirmed.rejection_reason), (ReceiptStatus::Confirmed, None), "it was corrected");
    assert!(confirmed.verified_at.is_some());
    assert_eq!(read(db, payment).await.status, PaymentStatus::Paid);
    decide(db, &shop, order, other, true).await;
    decide(db, &shop, order, one, false).await;
    assert_eq!((stored(db, one).await.verified_at, read(db, payment).await.status), (None, PaymentStatus::Paid));
    decide(db, &shop, order, other, false).await;
    assert_eq!(read(db, payment).await.status, PaymentStatus::Rejected, "no confirmation is left");
    let announced = transitions(db, payment).await;
    assert_eq!(announced[announced.len() - 3..], ["receipt.rejected", "payment.reverted", "payment.rejected"]);
});
