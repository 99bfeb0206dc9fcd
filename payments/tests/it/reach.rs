//! Whose rows are in reach, also under collations that compare texts as words.

use entities::{NodeId, PaymentId, WalletId, node, now, payment, wallet};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{Caller, Denied, reach};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect, prelude::*};

use super::accepted_by;

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

on_both!(what_is_not_there_is_distinguished_from_what_is_another_tenants, async |database: TestDatabase| {
    let db = &database.db;
    let (merchant, stranger) = (Merchant::insert(db, 1).await, Merchant::insert(db, 10).await);
    let branch = insert(&database, &merchant, "1.2", 2).await;
    let gone = insert(&database, &merchant, "1.3", 3).await;
    let deleted = node::Entity::update_many().col_expr(node::Column::DeletedAt, Expr::value(now()));
    deleted.filter(node::Column::Id.eq(gone)).exec(&**db).await.unwrap();
    let below = Caller { node_path: "1.2".to_owned(), ..merchant.caller() };
    let admin = Caller { is_admin: true, ..stranger.caller() };
    let caller = merchant.caller();
    for (who, id, wanted) in [
        (&caller, merchant.node_id, "there"),
        (&caller, branch, "there"),
        (&admin, merchant.node_id, "there"),
        (&below, branch, "there"),
        (&below, merchant.node_id, "out of reach"),
        (&caller, stranger.node_id, "out of reach"),
        (&caller, gone, "not there"),
        (&admin, gone, "not there"),
        (&caller, NodeId::new(), "not there"),
    ] {
        let found = match reach::find_node(&**db, who, id).await {
            Ok(node) if node.id == id => "there",
            Ok(node) => panic!("another one: {node:?}"),
            Err(Denied::OutOfReach) => "out of reach",
            Err(Denied::NotFound) => "not there",
            Err(Denied::Database(error)) => panic!("{error}"),
        };
        assert_eq!(found, wanted, "{} asks for {id}", who.node_path);
    }
    let of_branch = accepted_by(db, &Merchant { node_id: branch, ..merchant.clone() }, "one").await.id;
    let theirs = accepted_by(db, &stranger, "one").await.id;
    let all = async |who: &Caller| reach::within::<payment::Entity>(who).all(&**db).await.unwrap().len();
    assert_eq!((all(&caller).await, all(&below).await, all(&admin).await), (1, 1, 2));
    for who in [&caller, &below, &admin] {
        assert_eq!(reach::find_payment(&**db, who, of_branch).await.unwrap().id, of_branch);
    }
    assert!(matches!(reach::find_payment(&**db, &caller, theirs).await, Err(Denied::OutOfReach)));
    assert!(matches!(reach::find_payment(&**db, &admin, PaymentId::new()).await, Err(Denied::NotFound)));
    let of_stranger = reach::of_subtree::<payment::Entity>(&stranger.path).filter(payment::Column::Id.eq(of_branch));
    assert_eq!(of_stranger.one(&**db).await.unwrap(), None, "10 is not below 1, nor 1 below 10");
});
