//! Whose rows are in reach, also under collations that compare texts as words.

use entities::{NodeId, WalletId, node, wallet};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{Caller, Denied, reach};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect, prelude::*};

/// A node at this path below the merchant's.
async fn insert(database: &TestDatabase, merchant: &Merchant, path: &str, number: i64) -> NodeId {
    let above = node::Entity::find_by_id(merchant.node_id).one(&*database.db).await.unwrap().unwrap();
    let (id, parent_id) = (NodeId::new(), Some(merchant.node_id));
    let row = node::Model { id, parent_id, path: path.to_owned(), number, ..above };
    let tx = database.db.begin().await.unwrap();
    node::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn reached(database: &TestDatabase, caller: &Caller) -> Vec<String> {
    let nodes = node::Entity::find().select_only().column(node::Column::Path).filter(reach::below(&caller.node_path));
    let mut paths: Vec<String> = nodes.into_tuple().all(&*database.db).await.unwrap();
    paths.sort_unstable();
    paths
}

/// Only PostgreSQL has collations of the kind.
#[tokio::test(flavor = "multi_thread")]
async fn children_are_in_reach_where_dots_do_not_count() {
    let database = TestDatabase::collated("und-u-ka-shifted").await;
    let merchant = Merchant::insert(&database.db, 1).await;
    for (path, number) in [("1.2", 2), ("1.2.3", 3), ("1.99", 99), ("12", 12), ("2", 20), ("10", 10), ("10.1", 101)] {
        insert(&database, &merchant, path, number).await;
    }
    assert_eq!(reached(&database, &merchant.caller()).await, ["1", "1.2", "1.2.3", "1.99"]);
    let below = Caller { node_path: "1.2".to_owned(), ..merchant.caller() };
    assert_eq!(reached(&database, &below).await, ["1.2", "1.2.3"]);
}

on_both!(a_row_is_found_by_those_who_reach_its_node, async |database: TestDatabase| {
    let db = &database.db;
    let (merchant, stranger) = (Merchant::insert(db, 1).await, Merchant::insert(db, 2).await);
    let child = Caller {
        node_id: insert(&database, &merchant, "1.3", 3).await,
        node_path: "1.3".to_owned(),
        ..merchant.caller()
    };
    let admin = Caller { is_admin: true, ..stranger.caller() };
    let tx = db.begin().await.unwrap();
    for (caller, reached) in
        [(merchant.caller(), true), (admin.clone(), true), (child, false), (stranger.caller(), false)]
    {
        let own = wallet::Column::Id.eq(merchant.wallet_id);
        let found = reach::find::<wallet::Entity>(&*tx, &caller, own.clone()).await;
        let locked = reach::lock::<wallet::Entity>(&tx, &caller, own).await;
        for found in [found, locked] {
            match (reached, &found) {
                (true, Ok(wallet)) => assert_eq!(wallet.id, merchant.wallet_id),
                (false, Err(Denied::OutOfReach)) => {}
                _ => panic!("{}: {found:?}", caller.node_path),
            }
        }
        let nobodys = wallet::Column::Id.eq(WalletId::new());
        let missing = reach::find::<wallet::Entity>(&*tx, &caller, nobodys).await;
        assert!(matches!(missing, Err(Denied::NotFound)), "{}: {missing:?}", caller.node_path);
    }
    let mine = reach::within::<wallet::Entity>(&merchant.caller()).all(&*tx).await.unwrap();
    assert_eq!(mine.iter().map(|wallet| wallet.id).collect::<Vec<_>>(), [merchant.wallet_id]);
    assert_eq!(reach::within::<wallet::Entity>(&admin).count(&*tx).await.unwrap(), 2);
});
