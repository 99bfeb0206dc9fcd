//! The way of a deal, on Anvil and on the development chain.

use alloy::primitives::U256;
use chain::{Fact, Kind};
use devchain::BlockTime;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{AMOUNT, World, count_of, names, on_each_database},
};

on_each_database!(opens_one_on_anvil, opens_one_on_the_development_chain, opens_many_in_batches);

async fn opens_one(world: World) {
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    let facts = world.facts_of(subject).await;
    let told = names(&facts);
    let expected = ["Signed", "Broadcast", "DealOpened"];
    assert_eq!(told.iter().filter(|name| expected.contains(&name.as_str())).count(), 3, "{told:?}");
    assert_eq!(told[0], "Signed");
    let opened = facts.iter().find_map(|fact| match fact {
        Fact::DealOpened { deal_id, evidence, .. } => Some((*deal_id, evidence.hash)),
        _ => None,
    });
    let signed = facts.iter().find_map(|fact| match fact {
        Fact::Signed { hash, .. } => Some(*hash),
        _ => None,
    });
    assert_eq!(opened, Some((U256::from_be_bytes(chain::reference(subject).0), signed)));
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn opens_one_on_anvil(backend: Backend) {
    opens_one(World::new(Node::anvil(&[]), backend).await).await;
}

async fn opens_one_on_the_development_chain(backend: Backend) {
    opens_one(World::new(Node::devchain(BlockTime::Instant).await, backend).await).await;
}

async fn opens_many_in_batches(backend: Backend) {
    let world = World::new(Node::anvil(&[]), backend).await;
    let agent = world.start();
    let subjects = world.opened(&agent, 250).await;
    assert_eq!(world.created(&subjects).await, (250, 250));
    let facts = world.facts().await;
    assert_eq!(count_of(&facts, "Signed", &subjects), 250);
    let mut hashes: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Signed { hash, .. } => Some(*hash),
            _ => None,
        })
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert!(hashes.len() <= 4, "{} transactions for 250 deals", hashes.len());
    let _ = (AMOUNT, Kind::Open, Uuid::nil());
    agent.stop().await;
}
