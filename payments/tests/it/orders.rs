//! Orders as shops place them, and the card payments that strangers ask for by their numbers.

use chrono::TimeDelta;
use entities::{
    Amount, CurrencyId, GatewaySessionStatus, NodeId, OrderId, PaymentStatus, Plan, connected_account, currency,
    gateway_session, node, now, order, payment,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Actor, Conflict, RequestError, intents,
    orders::{self, NewOrder, OrderError},
    sessions::{GatewayReport, GatewayStatus},
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{ledger::seller::Shop, read, transitions};

fn new(node_id: NodeId) -> NewOrder {
    NewOrder {
        node_id,
        user_id: None,
        currency: "USD".to_owned(),
        total: Decimal::new(2_550, 2),
        total_bs: Decimal::new(93_075, 2),
        exchange_rate: Some(Decimal::new(365, 1)),
        items: json!([{ "sku": "a" }]),
    }
}

async fn place(db: &Database, new: NewOrder) -> Result<order::Model, OrderError> {
    let tx = db.begin().await.unwrap();
    let order = orders::place(&tx, new).await?;
    tx.commit().await.unwrap();
    Ok(order)
}

on_both!(an_order_is_kept_as_it_was_placed, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let placed = place(db, new(merchant.node_id)).await.unwrap();
    let stored = orders::find(&**db, order::Column::Id.eq(placed.id)).await.unwrap();
    assert_eq!(stored, placed);
    assert_eq!((stored.total, stored.total_bs), (Amount(Decimal::new(255, 1)), Some(Amount(Decimal::new(93_075, 2)))));
    assert_eq!((stored.exchange_rate, stored.status.as_str()), (Some(Amount(Decimal::new(365, 1))), "PENDING"));
    assert_eq!((&stored.items, stored.paid_by), (&json!([{ "sku": "a" }]), None));
    let refused = async |change: &dyn Fn(&mut NewOrder)| {
        let mut order = new(merchant.node_id);
        change(&mut order);
        place(db, order).await.unwrap_err().to_string()
    };
    let fine = "has more than 2 fraction digits, which is all the currency has";
    assert_eq!(refused(&|order| order.total = Decimal::new(1, 3)).await, format!("total {fine}"));
    assert_eq!(refused(&|order| order.total_bs = Decimal::new(1, 3)).await, format!("totalBs {fine}"));
    assert_eq!(refused(&|order| order.total = Decimal::ZERO).await, "total must be greater than zero");
    assert_eq!(refused(&|order| order.total_bs = Decimal::ZERO).await, "totalBs must be greater than zero");
    let rate = refused(&|order| order.exchange_rate = Some(Decimal::ZERO)).await;
    assert_eq!(rate, "exchangeRate must be greater than zero");
    assert_eq!(order::Entity::find().count(&**db).await.unwrap(), 1);
});

on_both!(a_currency_that_nobody_knows_is_made_once, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let mut ids: Vec<CurrencyId> = Vec::new();
    // The merchant's token is called the same, and is no money of a shop.
    for symbol in ["USDT", "USDT", "USD"] {
        let placed = place(db, NewOrder { currency: symbol.to_owned(), ..new(merchant.node_id) }).await.unwrap();
        ids.push(placed.currency_id);
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], merchant.currency_id);
    let made = currency::Entity::find_by_id(ids[0]).one(&**db).await.unwrap().unwrap();
    assert_eq!((made.symbol.as_str(), made.network_id, made.decimals), ("USDT", None, 2));
    let gone = currency::Entity::update_many().col_expr(currency::Column::DeletedAt, Expr::value(now()));
    gone.filter(currency::Column::Id.eq(ids[0])).exec(&**db).await.unwrap();
    let again = place(db, NewOrder { currency: "USDT".to_owned(), ..new(merchant.node_id) }).await.unwrap();
    assert_ne!(again.currency_id, ids[0], "what is out of use is made anew");
});

on_both!(an_order_is_its_own_nodes_and_a_shop_without_one_is_the_root, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 7).await);
    let second = Merchant::insert(db, 8).await;
    let placed = place(db, new(merchant.node_id)).await.unwrap();
    assert!(orders::within_reach(&**db, &merchant.caller(), &placed).await.is_ok());
    let refused = orders::within_reach(&**db, &second.caller(), &placed).await;
    assert!(matches!(refused, Err(RequestError::OutOfReach)), "{refused:?}");
    let unknown = orders::find(&**db, order::Column::Id.eq(OrderId::new())).await;
    assert!(matches!(unknown, Err(RequestError::NotFound(payments::Missing::Order))), "{unknown:?}");
    let node_of = async |id| orders::node_of(&**db, id).await.unwrap().map(|node| node.id);
    assert_eq!(node_of(None).await, Some(merchant.node_id), "the first of those without a parent");
    assert_eq!(node_of(Some(second.node_id)).await, Some(second.node_id));
    assert_eq!(node_of(Some(NodeId::new())).await, None);
    let gone = node::Entity::update_many().col_expr(node::Column::DeletedAt, Expr::value(now()));
    gone.filter(node::Column::Id.eq(merchant.node_id)).exec(&**db).await.unwrap();
    assert_eq!((node_of(None).await, node_of(Some(merchant.node_id)).await), (Some(second.node_id), None));
});

async fn request_intent(db: &Database, number: i64) -> Result<gateway_session::Model, RequestError> {
    let mut tx = db.begin().await.unwrap();
    let session = intents::request(&mut tx, number, &Actor::payer().into()).await?;
    tx.commit().await.unwrap();
    Ok(session)
}

async fn gateway_reports(db: &Database, session: &gateway_session::Model, status: GatewayStatus) {
    let mut tx = db.begin().await.unwrap();
    let report = GatewayReport::without_money(status);
    payments::ledger::settle(&mut tx, session.id, report, Actor::worker("test")).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(what_cannot_be_paid_by_card_looks_to_strangers_as_if_it_were_not_there, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let db = &shop.db;
    let order = shop.order(10_000).await;
    // As orders were counted in earlier versions.
    let counted = shop.order(10_000).await;
    let renumbered = order::Entity::update_many().col_expr(order::Column::Number, Expr::value(7_i64));
    renumbered.filter(order::Column::Id.eq(counted.id)).exec(&**db).await.unwrap();
    let other = place(db, new(Merchant::insert(db, 2).await.node_id)).await.unwrap();
    let enable = async |charges: bool| {
        let account = connected_account::Entity::update_many();
        let account = account.col_expr(connected_account::Column::ChargesEnabled, Expr::value(charges));
        account.exec(&**db).await.unwrap();
    };
    for number in [7, order.number ^ 1, other.number, 0, -1] {
        let hidden = request_intent(db, number).await;
        assert!(matches!(hidden, Err(RequestError::NotFound(payments::Missing::Order))), "{number}: {hidden:?}");
    }
    enable(false).await;
    assert!(
        matches!(request_intent(db, order.number).await, Err(RequestError::NotFound(payments::Missing::Order))),
        "its seller takes no payments"
    );
    enable(true).await;
    assert!(request_intent(db, order.number).await.is_ok());
});

on_both!(an_order_is_paid_by_one_intent_with_the_fee_of_its_sellers_plan, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let db = &shop.db;
    let order = shop.order(9_950).await;
    let first = request_intent(db, order.number).await.unwrap();
    assert_eq!((first.account.as_deref(), first.source.as_str()), (Some("acct_1"), "STR"));
    assert_eq!(first.fee, Some(Amount(Decimal::new(199, 2))), "20 per mille of the starter");
    assert_eq!(request_intent(db, order.number).await.unwrap().id, first.id, "whoever asks again gets the same");
    let payment = read(db, first.payment_id).await;
    assert_eq!((payment.paid_price, payment.order_id), (order.total, Some(order.id)));
    assert!(payment.expires_at > now() + TimeDelta::days(29));
    assert_eq!(transitions(db, payment.id).await, ["payment.created", "payment.open"]);
    gateway_reports(db, &first, GatewayStatus::Failed { code: "declined".to_owned(), message: "no".to_owned() }).await;
    let richer = node::Entity::update_many().col_expr(node::Column::Plan, Expr::value(Plan::Enterprise));
    richer.exec(&**db).await.unwrap();
    let second = request_intent(db, order.number).await.unwrap();
    assert_eq!((second.payment_id, second.status), (payment.id, GatewaySessionStatus::Asked), "it may be paid again");
    assert_ne!(second.id, first.id);
    assert_eq!(second.fee, Some(Amount(Decimal::new(50, 2))), "49.75 cents, by the plan that it has now");
});

on_both!(what_has_failed_at_the_processor_is_paid_anew_and_what_has_ended_is_not, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let db = &shop.db;
    for (status, refusal) in [
        (PaymentStatus::Failed, None),
        (PaymentStatus::Submitted, None),
        (PaymentStatus::Canceled, Some(Conflict::Card(PaymentStatus::Canceled))),
        (PaymentStatus::Expired, Some(Conflict::Card(PaymentStatus::Expired))),
        (PaymentStatus::Completed, Some(Conflict::Closed(orders::Closed::Paid))),
        (PaymentStatus::NeedsReview, Some(Conflict::Closed(orders::Closed::UnderReview))),
    ] {
        let order = shop.order(10_000).await;
        let session = request_intent(db, order.number).await.unwrap();
        if status != PaymentStatus::Submitted {
            let closed = GatewayStatus::Closed;
            gateway_reports(db, &session, closed).await;
        }
        let moved = payment::Entity::update_many().col_expr(payment::Column::Status, Expr::value(status));
        moved.filter(payment::Column::Id.eq(session.payment_id)).exec(&**db).await.unwrap();
        match (request_intent(db, order.number).await, refusal) {
            (Ok(again), None) => {
                let now = read(db, again.payment_id).await;
                assert!(matches!(now.status, PaymentStatus::Open | PaymentStatus::Submitted), "{status}");
            }
            (Err(RequestError::Conflict(found)), Some(wanted)) => assert_eq!(found, wanted, "{status}"),
            (found, _) => panic!("{status}: {found:?}"),
        }
    }
    let order = shop.order(10_000).await;
    let session = request_intent(db, order.number).await.unwrap();
    gateway_reports(db, &session, GatewayStatus::Closed).await;
    let late = payment::Entity::update_many().col_expr(payment::Column::ExpiresAt, Expr::value(now()));
    late.filter(payment::Column::Id.eq(session.payment_id)).exec(&**db).await.unwrap();
    assert!(matches!(request_intent(db, order.number).await, Err(RequestError::Conflict(Conflict::Late))));
});
