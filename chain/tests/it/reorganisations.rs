//! Blocks that are replaced.

use chain::{DealEvent, Fact, Kind};
use devchain::{BlockTime, DevChain, Dropped};

use crate::{
    database::Backend,
    node::Node,
    relay::Turn,
    world::{World, count_of, hashes, names, on_each_database},
};

on_each_database!(
    a_deposit_that_vanishes_is_gone,
    a_deposit_that_moves_to_another_block_stays,
    an_open_that_vanishes_is_sent_again,
    a_cancel_that_vanishes_is_sent_again,
    what_was_final_and_vanishes_is_reported,
    a_cancel_that_was_final_and_vanishes_is_reported_and_sent_again,
    anvils_reorganisation_is_found,
);

/// Three confirmations on a chain that mines when told to.
async fn on_devchain(backend: Backend, confirmations: u32) -> (World, DevChain) {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    world.network.confirmations = confirmations;
    let chain = world.node.devchain.clone().expect("the development chain");
    (world, chain)
}

/// Lets blocks follow until the facts are as expected.
async fn mine_until(world: &World, chain: &DevChain, what: &str, condition: impl Fn(&[Fact]) -> bool) -> Vec<Fact> {
    for _ in 0..200 {
        let facts = world.facts().await;
        if condition(&facts) {
            return facts;
        }
        chain.mine(1).expect("mines");
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    panic!("not within 200 blocks: {what}; facts: {:#?}", names(&world.facts().await));
}

async fn opened(world: &World, chain: &DevChain) -> uuid::Uuid {
    let subject = uuid::Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    mine_until(world, chain, "it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    subject
}

async fn a_deposit_that_vanishes_is_gone(backend: Backend) {
    let (world, chain) = on_devchain(backend, 3).await;
    let agent = world.start();
    let subject = opened(&world, &chain).await;
    world.deposit(subject).await;
    let facts = world.until("it is seen", |facts| count_of(facts, "DepositSeen", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "DepositFinal", &[subject]), 0);
    chain.reorg(1, Dropped::Vanish).expect("reorganises");
    world.until("it is gone", |facts| count_of(facts, "DepositGone", &[subject]) == 1).await;
    // The approval stood in the block before.
    world.deposit(subject).await;
    let facts =
        mine_until(&world, &chain, "it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    let mut told: Vec<String> = names(&facts).into_iter().filter(|name| name.starts_with("Deposit")).collect();
    // Seen once or twice: the watcher may first look when it is final already.
    told.dedup();
    assert_eq!(told, ["DepositSeen", "DepositGone", "DepositSeen", "DepositFinal"]);
    agent.stop().await;
}

async fn a_deposit_that_moves_to_another_block_stays(backend: Backend) {
    let (world, chain) = on_devchain(backend, 3).await;
    let agent = world.start();
    let subject = opened(&world, &chain).await;
    world.deposit(subject).await;
    world.until("it is seen", |facts| count_of(facts, "DepositSeen", &[subject]) == 1).await;
    // One step for the watcher: the transaction is back before it looks.
    chain.reorg(1, Dropped::ToPool).expect("reorganises");
    chain.mine(1).expect("mines");
    let facts =
        mine_until(&world, &chain, "it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "DepositFinal", &[subject]), 1);
    let last = names(&facts).into_iter().rfind(|name| name.starts_with("Deposit"));
    assert_eq!(last.as_deref(), Some("DepositFinal"));
    agent.stop().await;
}

async fn an_open_that_vanishes_is_sent_again(backend: Backend) {
    let (world, chain) = on_devchain(backend, 3).await;
    let agent = world.start();
    let subject = uuid::Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    let facts = world.until("it is mined", |facts| count_of(facts, "Mined", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "DealOpened", &[subject]), 0);
    chain.reorg(1, Dropped::Vanish).expect("reorganises");
    let facts = mine_until(&world, &chain, "it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(hashes(&facts).len(), 1, "it was signed anew");
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn a_cancel_that_vanishes_is_sent_again(backend: Backend) {
    let (world, chain) = on_devchain(backend, 3).await;
    let agent = world.start();
    let subject = opened(&world, &chain).await;
    world.request(&[world.ask(subject, Kind::Cancel)]).await;
    world.until("it is mined", |facts| count_of(facts, "Mined", &[subject]) == 2).await;
    chain.reorg(1, Dropped::Vanish).expect("reorganises");
    let facts =
        mine_until(&world, &chain, "it is canceled", |facts| count_of(facts, "Canceled", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "Failed", &[subject]), 0);
    agent.stop().await;
}

async fn what_was_final_and_vanishes_is_reported(backend: Backend) {
    let (world, chain) = on_devchain(backend, 1).await;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    world.deposit(subject).await;
    world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    // The deposit, its approval and the deal.
    chain.reorg(3, Dropped::Vanish).expect("reorganises");
    let facts = world.until("it is reported", |facts| count_of(facts, "FinalityBroken", &[subject]) == 2).await;
    let lost: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::FinalityBroken { lost, .. } => Some(*lost),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [DealEvent::Created, DealEvent::Deposited]);
    let facts = world.until("it is open again", |facts| count_of(facts, "DealOpened", &[subject]) == 2).await;
    assert_eq!(hashes(&facts).len(), 1);
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn a_cancel_that_was_final_and_vanishes_is_reported_and_sent_again(backend: Backend) {
    let (mut world, chain) = on_devchain(backend, 1).await;
    world.config = chain::Config { review_after_ms: 15_000, ..world.config };
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    world.request(&[world.ask(subject, Kind::Cancel)]).await;
    agent.waker.wake();
    world.until("it is canceled", |facts| count_of(facts, "Canceled", &[subject]) == 1).await;
    // Long enough on its way that an old mark of when it set out would have it told as unknown at once.
    tokio::time::sleep(std::time::Duration::from_millis(15_500)).await;
    relay.hook(|method, _| if method == "eth_sendRawTransaction" { Turn::Status(503) } else { Turn::Pass });
    chain.reorg(1, Dropped::Vanish).expect("reorganises");
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    relay.hook(|_, _| Turn::Pass);
    let facts = world.until("it is canceled again", |facts| count_of(facts, "Canceled", &[subject]) == 2).await;
    let lost = facts.iter().find_map(|fact| match fact {
        Fact::FinalityBroken { lost, .. } => Some(*lost),
        _ => None,
    });
    assert_eq!(lost, Some(DealEvent::Canceled));
    assert_eq!((count_of(&facts, "Failed", &[subject]), count_of(&facts, "OutcomeUnknown", &[subject])), (0, 0));
    assert_eq!(hashes(&facts).len(), 2, "one for the opening, one for the cancel");
    agent.stop().await;
}

async fn anvils_reorganisation_is_found(backend: Backend) {
    let mut world = World::new(Node::anvil(&[]), backend).await;
    world.network.confirmations = 2;
    let agent = world.start();
    let subject = uuid::Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    world.until("it is mined", |facts| count_of(facts, "Mined", &[subject]) == 1).await;
    world.node.rpc("anvil_mine", serde_json::json!(["0x1"])).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.deposit(subject).await;
    world.until("it is seen", |facts| count_of(facts, "DepositSeen", &[subject]) == 1).await;
    world.node.rpc("anvil_reorg", serde_json::json!([1, []])).await;
    world.until("it is gone", |facts| count_of(facts, "DepositGone", &[subject]) == 1).await;
    agent.stop().await;
}
