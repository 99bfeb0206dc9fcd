//! Sellers' money: what is captured, refunded, paid out and taken back, and that the ledger agrees with all of it.

mod random;
pub(crate) mod seller;

use entities::{PaymentStatus, PayoutStatus, RefundStatus};
use fixtures::{TestDatabase, on_both};
use payments::{
    Actor, Conflict, Missing, RequestError, ledger, payouts,
    refunds::{self, RefundOutcome},
};
use sea_orm::{ConnectionTrait, EntityTrait};

use self::seller::Shop;
use super::{messages, read, transitions};

fn paid(id: &str) -> payouts::PayoutOutcome {
    payouts::PayoutOutcome::Paid { processor_id: id.to_owned(), arrival_date: None }
}

pub(crate) fn done(id: &str) -> RefundOutcome {
    RefundOutcome::Succeeded { gateway_id: id.to_owned() }
}

pub(crate) fn failed() -> RefundOutcome {
    RefundOutcome::Failed { code: "declined".to_owned(), message: "the card is closed".to_owned() }
}

on_both!(a_capture_is_posted_once_with_its_fee, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let sale = shop.sale(10_000, 200).await;
    assert_eq!(shop.balance().await, (9_800, 0));
    let tx = shop.db.begin().await.unwrap();
    assert!(!ledger::capture_posted(&tx, &sale.session, seller::euros(10_000)).await.unwrap(), "it was posted already");
    tx.commit().await.unwrap();
    assert_eq!(shop.balance().await, (9_800, 0));
    assert_eq!(shop.clean().await.entries, 1);
});

on_both!(refunds_add_up_and_never_exceed_the_capture, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let sale = shop.sale(10_000, 200).await;
    let first = shop.refund(&sale, Some(3_333)).await.unwrap();
    assert_eq!((first.amount, first.fee, first.status), (3_333, 67, RefundStatus::Asked));
    assert_eq!(shop.balance().await, (9_800 - 3_333 + 67, 0), "it is off the balance from the start");
    assert_eq!(messages(&shop.db, entities::PaymentId(first.id.0)).await, ["send_refund"]);
    let over = shop.refund(&sale, Some(6_668)).await;
    assert!(matches!(&over, Err(RequestError::Conflict(Conflict::Left(6667)))), "{over:?}");
    let rest = shop.refund(&sale, None).await.unwrap();
    assert_eq!((rest.amount, rest.fee), (6_667, 133), "the whole remainder, with all of the fee that is left");
    assert_eq!(shop.order_status(&sale).await, "REFUND_PENDING");
    let none = shop.refund(&sale, None).await;
    assert!(matches!(none, Err(RequestError::Conflict(_))), "{none:?}");
    for (refund, at_gateway) in [(&first, "re_1"), (&rest, "re_2")] {
        shop.settle(refund.id, done(at_gateway)).await;
    }
    assert_eq!(read(&shop.db, sale.payment).await.status, PaymentStatus::Refunded);
    assert_eq!(shop.order_status(&sale).await, "REFUNDED");
    let announced = transitions(&shop.db, sale.payment).await;
    let refunds = ["refund.created", "refund.created", "refund.succeeded", "refund.succeeded", "payment.refunded"];
    assert_eq!(announced[announced.len() - 5..], refunds);
    assert_eq!(shop.balance().await, (0, 0));
    shop.clean().await;
});

on_both!(a_refund_that_fails_gives_back_what_it_had_reserved, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let sale = shop.sale(5_000, 100).await;
    let refund = shop.refund(&sale, None).await.unwrap();
    assert_eq!(shop.order_status(&sale).await, "REFUND_PENDING");
    let mut tx = shop.db.begin().await.unwrap();
    let unsent = refunds::settle(&mut tx, refund.id, done("re"), &Actor::worker("test")).await.unwrap();
    assert!(!unsent, "nobody has asked the gateway for it");
    drop(tx);
    shop.settle(refund.id, failed()).await;
    shop.settle(refund.id, done("too late")).await;
    assert_eq!(shop.balance().await, (4_900, 0));
    assert_eq!(shop.order_status(&sale).await, "CONFIRMED");
    assert_eq!(read(&shop.db, sale.payment).await.status, PaymentStatus::Paid);
    assert_eq!(transitions(&shop.db, sale.payment).await.last().unwrap(), "refund.failed");
    assert_eq!(shop.refund(&sale, None).await.unwrap().amount, 5_000, "and may be asked for again");
    shop.clean().await;
});

on_both!(an_order_that_is_not_paid_is_not_refunded, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let order = shop.order(1_000).await;
    let early = shop.refund_of(order.number, None).await;
    assert!(matches!(early, Err(RequestError::Conflict(_))), "{early:?}");
    let unknown = shop.refund_of(order.number + 1, None).await;
    assert!(matches!(unknown, Err(RequestError::NotFound(Missing::Order))), "{unknown:?}");
    let stranger = fixtures::Merchant::insert(&shop.db, 2).await;
    let sale = shop.sale(1_000, 20).await;
    let mut tx = shop.db.begin().await.unwrap();
    let new = seller::new_refund(sale.order.number, None);
    let theirs = refunds::request(&mut tx, &stranger.caller(), new).await;
    assert!(matches!(theirs, Err(RequestError::OutOfReach)), "{theirs:?}");
});

on_both!(of_a_hundred_refunds_of_30_percent_at_once_three_succeed, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let sale = shop.sale(10_000, 200).await;
    let requests = (0..100).map(|_| shop.refund(&sale, Some(3_000)));
    let answers = futures_util::future::join_all(requests).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    let refused = |answer: &Result<_, RequestError>| matches!(answer, Err(RequestError::Conflict(_)));
    assert_eq!(answers.iter().filter(|answer| refused(answer)).count(), 97);
    let left = shop.refund(&sale, None).await.unwrap();
    assert_eq!(left.amount, 1_000);
    shop.clean().await;
});

on_both!(payouts_never_exceed_the_balance_however_many_at_once, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    shop.sale(10_000, 200).await;
    let answers = futures_util::future::join_all((0..100).map(|index| shop.pay_out(700 + index))).await;
    let taken: i64 = answers.iter().flatten().map(|payout| payout.amount).sum();
    let (available, in_transit) = shop.balance().await;
    assert!((0..800).contains(&available), "{available}");
    assert_eq!((taken, available + taken), (in_transit, 9_800));
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|e| matches!(e, RequestError::Conflict(_))));
    for payout in answers.iter().flatten() {
        shop.settle_payout(payout.id, paid("po")).await;
    }
    assert_eq!(shop.balance().await, (available, 0));
    shop.clean().await;
});

on_both!(a_payout_that_fails_is_on_the_balance_again, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    shop.sale(10_000, 200).await;
    let payout = shop.pay_out(9_800).await.unwrap();
    assert_eq!((payout.status, shop.balance().await), (PayoutStatus::Asked, (0, 9_800)));
    let over = shop.pay_out(1).await;
    assert!(matches!(&over, Err(RequestError::Conflict(Conflict::Balance(0)))), "{over:?}");
    let pending = payouts::PayoutOutcome::Pending { processor_id: "po_1".to_owned(), arrival_date: None };
    assert!(shop.settle_payout(payout.id, pending).await.is_none());
    let failure =
        payouts::PayoutOutcome::Failed { code: "closed".to_owned(), message: "the account is closed".to_owned() };
    let settled = shop.settle_payout(payout.id, failure.clone()).await.unwrap();
    assert_eq!((settled.status, settled.processor_id.as_deref()), (PayoutStatus::Failed, Some("po_1")));
    assert!(shop.settle_payout(payout.id, failure).await.is_none(), "once");
    assert_eq!(shop.balance().await, (9_800, 0));
    shop.clean().await;
});

on_both!(a_seller_who_was_paid_out_settles_a_reversal_first, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let sale = shop.sale(10_000, 200).await;
    let payout = shop.pay_out(9_800).await.unwrap();
    shop.settle_payout(payout.id, paid("po_1")).await;
    for _ in 0..2 {
        shop.reverse(&sale, 10_000).await;
        assert_eq!(shop.balance().await, (-10_000, 0), "the same total is posted once");
    }
    shop.sale(10_100, 0).await;
    assert_eq!(shop.balance().await, (100, 0));
    assert!(matches!(shop.pay_out(101).await, Err(RequestError::Conflict(_))));
    shop.pay_out(100).await.unwrap();
    shop.reverse(&sale, 0).await;
    assert_eq!(shop.balance().await, (10_000, 100), "a dispute that was won");
    shop.reverse(&sale, 10_000).await;
    assert_eq!(shop.balance().await, (0, 100), "and lost after all");
    assert!(matches!(shop.refund(&sale, Some(1)).await, Err(RequestError::Conflict(_))), "nothing is left of it");
    shop.clean().await;
});

on_both!(what_was_posted_cannot_be_changed, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    shop.sale(10_000, 200).await;
    for sql in [
        "UPDATE ledger_postings SET amount = amount + 1",
        "DELETE FROM ledger_postings",
        "UPDATE ledger_entries SET kind = 'x'",
        "DELETE FROM ledger_entries",
    ] {
        let refused = shop.db.execute_unprepared(sql).await.unwrap_err();
        assert!(refused.to_string().contains("the ledger is append-only"), "{sql}: {refused}");
    }
    shop.clean().await;
});

on_both!(an_entry_that_does_not_balance_is_found, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    shop.sale(10_000, 200).await;
    let entry = entities::ledger_entry::Entity::find().one(&*shop.db).await.unwrap().unwrap();
    let posting = |account: &str| entities::ledger_posting::ActiveModel {
        entry_id: sea_orm::ActiveValue::Set(entry.id),
        account: sea_orm::ActiveValue::Set(account.to_owned()),
        amount: sea_orm::ActiveValue::Set(1),
    };
    let tx = shop.db.begin().await.unwrap();
    entities::ledger_posting::Entity::insert(posting("seller:in_transit")).exec_without_returning(&*tx).await.unwrap();
    let committed = tx.commit().await;
    if shop.db.get_database_backend() == sea_orm::DatabaseBackend::Postgres {
        let refused = committed.unwrap_err().to_string();
        assert!(refused.contains("does not balance"), "{refused}");
        shop.clean().await;
        return;
    }
    committed.unwrap();
    let found = ledger::check(&shop.db).await.unwrap();
    assert_eq!(found.unbalanced, [entry.id.0]);
    assert_eq!((found.differences[0].in_transit, found.differences[0].in_transit_posted), (0, 1));
});

on_both!(the_capture_itself_refuses_what_a_guard_would_forget, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    shop.sale(10_000, 200).await;
    for sql in
        ["UPDATE captures SET refund_reserved = captured + 1", "UPDATE seller_balances SET in_transit = in_transit - 1"]
    {
        assert!(shop.db.execute_unprepared(sql).await.is_err(), "{sql}");
    }
});

impl Shop {
    pub(crate) async fn settle(&self, id: entities::RefundId, outcome: RefundOutcome) {
        let mut tx = self.db.begin().await.unwrap();
        refunds::hand_over(&tx, id).await.unwrap();
        refunds::settle(&mut tx, id, outcome, &Actor::worker("test")).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn settle_payout(
        &self,
        id: entities::PayoutId,
        outcome: payouts::PayoutOutcome,
    ) -> Option<entities::payout::Model> {
        let mut tx = self.db.begin().await.unwrap();
        payouts::hand_over(&tx, id).await.unwrap();
        let settled = payouts::settle(&mut tx, id, outcome).await.unwrap();
        tx.commit().await.unwrap();
        settled
    }
}

on_both!(a_balance_never_becomes_a_floating_point_number, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let sale = shop.sale(10_000, 0).await;
    let set = format!("UPDATE seller_balances SET available = {}", i64::MAX - 100);
    database.db.execute_unprepared(&set).await.unwrap();
    let refused = async |sql: &str| {
        let tx = shop.db.begin().await.unwrap();
        tx.execute_unprepared(sql).await.is_err()
    };
    assert!(refused("UPDATE seller_balances SET available = available + 101").await, "it leaves 64 bits");
    assert!(refused("UPDATE captures SET captured = 9223372036854775807 + 1").await);
    // Postings never change; a new one is as good.
    let posting = "INSERT INTO ledger_postings SELECT entry_id, 'somewhere', 9223372036854775807 + 1 FROM ledger_postings LIMIT 1";
    assert!(refused(posting).await);
    let available = shop.balance().await.0;
    assert_eq!(available, i64::MAX - 100, "and is as it was, after a sale of {}", sale.payment);
});
