//! What an owner announces is kept for payers to see, as long as it is announced.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use chain::{Config, Cut, CutAction, Edition, FacetChange, OwnerAct};
use devchain::BlockTime;
use sea_orm::{ConnectionTrait, Statement};

use crate::{
    database::Backend,
    node::Node,
    world::{World, on_each_database},
};

on_each_database!(what_an_owner_announces_is_kept_until_it_is_taken_back);

async fn act(world: &World, act: OwnerAct) {
    let call = act.call(Edition::Second).expect("the second edition can");
    world.owner().await.call(world.diamond, U256::ZERO, call.data).await.expect("the owner may");
}

type Announced = (Option<String>, Option<String>, bool, bool);

async fn announced(world: &World) -> Announced {
    let sql = "SELECT pending_owner, pending_cut, pending_owner_from IS NOT NULL AS owner_from, \
               pending_cut_from IS NOT NULL AS cut_from FROM chain_diamonds";
    let db = &*world.database.db;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let row = row.expect("answers").expect("the diamond");
    let text = |column: &str| row.try_get::<Option<String>>("", column).expect("a text");
    let flag = |column: &str| row.try_get::<bool>("", column).expect("a flag");
    (text("pending_owner"), text("pending_cut"), flag("owner_from"), flag("cut_from"))
}

async fn until(world: &World, expected: Announced) {
    let started = Instant::now();
    loop {
        let found = announced(world).await;
        if found == expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{found:?} and not {expected:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn what_an_owner_announces_is_kept_until_it_is_taken_back(backend: Backend) {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    world.config = Config { reconcile_interval_ms: 200, ..world.config };
    let agent = world.start();
    world.opened(&agent, 1).await;
    let none: Announced = (None, None, false, false);
    until(&world, none.clone()).await;

    let change =
        FacetChange { facet: Address::ZERO, action: CutAction::Remove, selectors: vec![FixedBytes([1, 2, 3, 4])] };
    let cut = Cut { facets: vec![change], init: Address::ZERO, calldata: Bytes::new() };
    let hash = Some(format!("{:#x}", cut.hash()));
    act(&world, OwnerAct::AnnounceCut(cut)).await;
    until(&world, (None, hash.clone(), false, true)).await;
    let other = Address::repeat_byte(0xc0);
    act(&world, OwnerAct::TransferOwnership(other)).await;
    until(&world, (Some(format!("{other:#x}")), hash, true, true)).await;

    act(&world, OwnerAct::CancelCut).await;
    act(&world, OwnerAct::TransferOwnership(Address::ZERO)).await;
    until(&world, none).await;
    agent.stop().await;
}
