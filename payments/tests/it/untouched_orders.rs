//! Orders that nobody has tried to pay are taken away, and no other.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{OrderId, ReceiptMethod, now, order};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Actor,
    orders::{self, NewOrder},
    receipts::{self, NewReceipt},
};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::json;

async fn placed(db: &Database, merchant: &Merchant, created_at: DateTime<Utc>) -> OrderId {
    let tx = db.begin().await.unwrap();
    let new = NewOrder {
        node_id: merchant.node_id,
        user_id: None,
        currency: "USD".to_owned(),
        total: "25.5".parse().unwrap(),
        total_bs: "930.75".parse().unwrap(),
        exchange_rate: None,
        items: json!([]),
    };
    let id = orders::place(&tx, new).await.unwrap().id;
    let aged = order::Entity::update_many().col_expr(order::Column::CreatedAt, Expr::value(created_at));
    aged.filter(order::Column::Id.eq(id)).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn report(db: &Database, order_id: OrderId) {
    let mut tx = db.begin().await.unwrap();
    let receipt = NewReceipt {
        order_id,
        method: ReceiptMethod::Transferencia,
        amount_reported: "930.75".parse().unwrap(),
        reference: "004211".to_owned(),
        origin_bank: None,
        payer_name: None,
        receipt_url: None,
        requested_by: Actor::payer().into(),
    };
    receipts::report(&mut tx, receipt).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(orders_that_nobody_pays_are_taken_away, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let (old, before) = (now() - TimeDelta::days(31), now() - TimeDelta::days(30));
    for _ in 0..7 {
        placed(&database.db, &merchant, old).await;
    }
    let paid = placed(&database.db, &merchant, old).await;
    report(&database.db, paid).await;
    // Whatever its status says.
    let tx = database.db.begin().await.unwrap();
    let pending = order::Entity::update_many().col_expr(order::Column::Status, Expr::value("PENDING"));
    pending.filter(order::Column::Id.eq(paid)).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let young = placed(&database.db, &merchant, now()).await;
    assert_eq!(orders::remove_untouched(&database.db, before, 5).await.unwrap(), 5, "at most so many");
    assert_eq!(orders::remove_untouched(&database.db, before, 5).await.unwrap(), 2);
    assert_eq!(orders::remove_untouched(&database.db, before, 5).await.unwrap(), 0);
    let left = order::Entity::find().order_by_asc(order::Column::Id).all(&*database.db).await.unwrap();
    assert_eq!(left.into_iter().map(|order| order.id).collect::<Vec<_>>(), [paid, young]);
});
