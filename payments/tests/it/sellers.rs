//! Sellers' accounts at the card processor: what is handed over, what is kept of it, and what the processor reports.

use chrono::TimeDelta;
use entities::{ConnectedAccountStatus, NodeId, PayoutStatus, connected_account, now, payout, refund};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Conflict, RequestError,
    jobs::{SendPayout, SendRefund, SyncAccount},
    payouts,
    sellers::{self, About, AccountReport, Details},
};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{
    ledger::{done, seller::Shop},
    rows::{clear_outbox, discard, sent},
};

fn details(business_name: &str) -> Details {
    let submitted = json!({
        "business_name": business_name, "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
        "dob": "1990-05-17", "address": "Rua 1", "city": "Porto", "postal_code": "4000-001", "country": "PT",
        "nif": "123456789",
    });
    serde_json::from_value(submitted).unwrap()
}

async fn submit(db: &Database, node_id: NodeId, business_name: &str) -> connected_account::Model {
    let mut tx = db.begin().await.unwrap();
    let submitted =
        sellers::submit_details(&mut tx, node_id, &details(business_name), "PT50".to_owned()).await.unwrap();
    tx.commit().await.unwrap();
    submitted
}

async fn hand_over(db: &Database, node_id: NodeId) -> Option<connected_account::Model> {
    let tx = db.begin().await.unwrap();
    let handed = sellers::hand_over(&tx, node_id).await.unwrap();
    tx.commit().await.unwrap();
    handed
}

fn account(charges_enabled: bool) -> AccountReport {
    let requirements_due = vec!["iban".to_owned()];
    AccountReport { account_id: "acct_1".to_owned(), charges_enabled, payouts_enabled: false, requirements_due }
}

async fn record(
    db: &Database,
    handed: &connected_account::Model,
    report: AccountReport,
) -> Option<connected_account::Model> {
    let tx = db.begin().await.unwrap();
    let changed = sellers::record_report(&tx, handed.node_id, Some(handed.told_at), report).await.unwrap();
    tx.commit().await.unwrap();
    changed
}

async fn stored(db: &Database, node_id: NodeId) -> connected_account::Model {
    sellers::account_of(&**db, node_id).await.unwrap().unwrap()
}

on_both!(a_sellers_details_are_kept_until_the_processor_has_them, async |database: TestDatabase| {
    let (db, node_id) = (&database.db, Merchant::insert(&database.db, 1).await.node_id);
    assert!(hand_over(db, node_id).await.is_none());
    let first = submit(db, node_id, "Olive").await;
    assert_eq!((first.status, first.iban.as_deref()), (ConnectedAccountStatus::Asked, Some("PT50")));
    assert_eq!(sent::<SyncAccount>(db).await, [SyncAccount { node_id }]);
    let handed = hand_over(db, node_id).await.unwrap();
    assert_eq!((handed.status, handed.details["nif"].as_str()), (ConnectedAccountStatus::Asked, Some("123456789")));
    assert_eq!(stored(db, node_id).await.status, ConnectedAccountStatus::Sent);
    let synced = record(db, &first, account(true)).await.unwrap();
    assert_eq!((synced.status, synced.iban.as_ref()), (ConnectedAccountStatus::Synced, None));
    assert_eq!(synced.details, json!({ "business_name": "Olive" }), "nothing of the person stays");
    assert_eq!(hand_over(db, node_id).await.unwrap().status, ConnectedAccountStatus::Synced, "it is only polled");
    assert_eq!(stored(db, node_id).await.status, ConnectedAccountStatus::Synced);
    assert!(record(db, &first, account(true)).await.is_none(), "nothing that the seller may do has changed");
    assert!(record(db, &first, account(false)).await.is_some());
});

on_both!(what_is_submitted_meanwhile_is_handed_over_as_well, async |database: TestDatabase| {
    let (db, node_id) = (&database.db, Merchant::insert(&database.db, 1).await.node_id);
    let first = submit(db, node_id, "Olive").await;
    record(db, &first, account(true)).await.unwrap();
    let second = submit(db, node_id, "Olive and sons").await;
    assert_eq!(
        (second.reference, second.account_id.as_deref()),
        (first.reference, Some("acct_1")),
        "it is one account"
    );
    assert_eq!((second.status, second.charges_enabled), (ConnectedAccountStatus::Asked, true));
    record(db, &first, account(false)).await.unwrap();
    let waiting = stored(db, node_id).await;
    assert_eq!((waiting.status, waiting.iban.as_deref()), (ConnectedAccountStatus::Asked, Some("PT50")));
    assert!(!waiting.charges_enabled, "what the processor reports counts all the same");
    let declined = async |handed: &connected_account::Model| {
        let tx = db.begin().await.unwrap();
        let code = "address".to_owned();
        sellers::declined(&tx, node_id, handed.told_at, code, "no such street".to_owned()).await.unwrap();
        tx.commit().await.unwrap();
        stored(db, node_id).await
    };
    assert_eq!(
        declined(&first).await.status,
        ConnectedAccountStatus::Asked,
        "that was said of what was submitted before"
    );
    let refused = declined(&second).await;
    assert_eq!((refused.status, refused.iban.as_ref()), (ConnectedAccountStatus::Declined, None));
    assert_eq!(
        (refused.failure_code.as_deref(), &refused.details),
        (Some("address"), &json!({ "business_name": "Olive and sons" }))
    );
    let third = submit(db, node_id, "Olive").await;
    assert_eq!((third.failure_code.as_ref(), third.failure_message.as_ref()), (None, None), "it is tried anew");
});

on_both!(a_payout_needs_an_account_that_may_be_paid_out, async |database: TestDatabase| {
    let (db, node_id) = (&database.db, Merchant::insert(&database.db, 1).await.node_id);
    let refused = async || {
        let mut tx = db.begin().await.unwrap();
        match payouts::request(&mut tx, node_id, "EUR", 1).await {
            Err(RequestError::Conflict(conflict)) => conflict,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused().await, Conflict::NoAccount);
    let submitted = submit(db, node_id, "Olive").await;
    assert_eq!(refused().await, Conflict::NoAccount, "the processor has none yet");
    record(db, &submitted, account(true)).await.unwrap();
    assert_eq!(refused().await, Conflict::PayoutsDisabled);
    record(db, &submitted, AccountReport { payouts_enabled: true, ..account(true) }).await.unwrap();
    assert_eq!(refused().await, Conflict::Balance(0), "the seller has nothing in this currency");
});

on_both!(a_payout_is_requested_in_its_currency_and_has_one_end, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let db = &shop.db;
    shop.sale(10_000, 0).await;
    let mut tx = db.begin().await.unwrap();
    let other = payouts::request(&mut tx, shop.merchant.node_id, "JPY", 1).await;
    assert!(matches!(other, Err(RequestError::Conflict(Conflict::Balance(0)))), "{other:?}");
    drop(tx);
    let payout = shop.pay_out(4_000).await.unwrap();
    assert_eq!((payout.decimals, payout.account_id.as_str()), (2, "acct_1"));
    assert_eq!(sent::<SendPayout>(db).await, [SendPayout::new(payout.id, shop.merchant.node_id)]);
    let paid = || payouts::PayoutOutcome::Paid { processor_id: "po_1".to_owned(), arrival_date: None };
    let mut tx = db.begin().await.unwrap();
    assert_eq!(payouts::settle(&mut tx, payout.id, paid()).await.unwrap(), None, "nobody has sent it");
    for was in [PayoutStatus::Asked, PayoutStatus::Sent] {
        assert_eq!(payouts::hand_over(&tx, payout.id).await.unwrap().unwrap().status, was);
    }
    assert_eq!(payouts::settle(&mut tx, payout.id, paid()).await.unwrap().unwrap().status, PayoutStatus::Paid);
    let failed = payouts::PayoutOutcome::Failed { code: "x".to_owned(), message: "y".to_owned() };
    assert_eq!(payouts::settle(&mut tx, payout.id, failed).await.unwrap(), None);
    assert_eq!(payouts::hand_over(&tx, payout.id).await.unwrap(), None, "it is not sent again");
    tx.commit().await.unwrap();
    assert_eq!(shop.balance().await, (6_000, 0));
    let stored = payout::Entity::find_by_id(payout.id).one(&**db).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.looks, stored.failure_code), (PayoutStatus::Paid, 1, None));
    shop.clean().await;
});

on_both!(a_processors_callback_has_its_subject_polled_once, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let (db, node_id) = (&shop.db, shop.merchant.node_id);
    shop.sale(10_000, 0).await;
    let payout = shop.pay_out(4_000).await.unwrap();
    let named = payout::Entity::update_many().col_expr(payout::Column::ProcessorId, Expr::value("po_1"));
    named.exec(&**db).await.unwrap();
    clear_outbox(db).await;
    let receive = async |event_id: Option<&str>, about: About| {
        let mut tx = db.begin().await.unwrap();
        sellers::receive_callback(&mut tx, "STR", event_id.map(str::to_owned), about).await.unwrap();
        tx.commit().await.unwrap();
    };
    let payout_of = |reference, id: Option<&str>| About::Payout { reference, gateway_id: id.map(str::to_owned) };
    let account = |id: &str| About::Account { account: id.to_owned() };
    for _ in 0..2 {
        receive(Some("1"), payout_of(Some(payout.id.0), None)).await;
        receive(Some("2"), account("acct_1")).await;
    }
    receive(None, payout_of(None, Some("po_1"))).await;
    for unknown in [payout_of(None, None), payout_of(None, Some("po_2")), account("acct_2")] {
        receive(None, unknown).await;
    }
    assert_eq!(sent::<SendPayout>(db).await, vec![SendPayout::new(payout.id, node_id); 2]);
    assert_eq!(sent::<SyncAccount>(db).await, [SyncAccount { node_id }]);
});

async fn take_up(db: &Database, most: u64) -> usize {
    let mut tx = db.begin().await.unwrap();
    let taken = sellers::take_up(&mut tx, TimeDelta::minutes(5), most).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

/// Lets six minutes pass for everything that waits for the processor.
async fn age(db: &Database) {
    let old = now() - TimeDelta::minutes(6);
    refund::Entity::update_many().col_expr(refund::Column::UpdatedAt, Expr::value(old)).exec(&**db).await.unwrap();
    payout::Entity::update_many().col_expr(payout::Column::UpdatedAt, Expr::value(old)).exec(&**db).await.unwrap();
    let accounts = connected_account::Entity::update_many();
    accounts.col_expr(connected_account::Column::UpdatedAt, Expr::value(old)).exec(&**db).await.unwrap();
}

on_both!(what_waits_for_the_processor_too_long_is_taken_up_once, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let (db, node_id) = (&shop.db, shop.merchant.node_id);
    let sale = shop.sale(10_000, 0).await;
    let refunds = [shop.refund(&sale, Some(10)).await.unwrap(), shop.refund(&sale, Some(20)).await.unwrap()];
    let payout = shop.pay_out(4_000).await.unwrap();
    assert_eq!(take_up(db, 9).await, 0, "somebody is at it");
    age(db).await;
    clear_outbox(db).await;
    assert_eq!((take_up(db, 9).await, take_up(db, 9).await), (3, 0), "the account has been handed over");
    let again = refunds.iter().map(|refund| SendRefund::new(refund.id, refund.payment_id)).collect::<Vec<_>>();
    let mut found = sent::<SendRefund>(db).await;
    found.sort_by_key(|message| message.refund_id);
    assert_eq!((found, sent::<SendPayout>(db).await), (again, vec![SendPayout::new(payout.id, node_id)]));
    shop.settle(refunds[0].id, done("re")).await;
    submit(db, node_id, "Olive").await;
    age(db).await;
    discard::<SendPayout>(db, payout.id.0).await;
    // A letter of another kind says nothing about the account.
    discard::<SendPayout>(db, node_id.0).await;
    clear_outbox(db).await;
    assert_eq!(take_up(db, 9).await, 2);
    assert_eq!(sent::<SendRefund>(db).await, [SendRefund::new(refunds[1].id, refunds[1].payment_id)]);
    assert_eq!(sent::<SyncAccount>(db).await, [SyncAccount { node_id }]);
    assert!(sent::<SendPayout>(db).await.is_empty(), "an operator has discarded it");
    let of_node = connected_account::Entity::find().filter(connected_account::Column::NodeId.eq(node_id));
    assert!(of_node.one(&**db).await.unwrap().unwrap().updated_at > now() - TimeDelta::minutes(1), "it is marked");
});
