//! Whose nodes are in reach, under collations that compare texts as words.

use entities::{NodeId, node};
use fixtures::{Merchant, TestDatabase};
use payments::{Caller, reach};
use sea_orm::{EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

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
