//! How fast deals get from asked for to final on Anvil, with one signer.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{World, count_of, hashes, on_each_database},
};

/// Mining at once leaves what does not fit into a block unmined until another transaction comes.
const MINES_THE_REST: &[&str] = &["--mixed-mining", "--block-time", "1"];

on_each_database!(opens_two_thousand, a_block_a_second_that_does_not_hold_all_stalls_nothing);

async fn opens_two_thousand(backend: Backend) {
    const COUNT: usize = 2_000;

    let world = World::new(Node::anvil(MINES_THE_REST), backend).await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let subjects: Vec<Uuid> = (0..COUNT).map(|_| Uuid::now_v7()).collect();
    let started = Instant::now();
    for subjects in subjects.chunks(200) {
        world.request(&subjects.iter().map(|subject| world.open(*subject)).collect::<Vec<_>>()).await;
        agent.waker.wake();
    }
    let facts = world.until("all are open", |facts| count_of(facts, "DealOpened", &subjects) == COUNT).await;
    let elapsed = started.elapsed();
    let rate = COUNT as u128 * 1_000 / elapsed.as_millis().max(1);
    eprintln!("{backend:?}: {COUNT} deals in {elapsed:?}, {rate} a second, {} transactions", hashes(&facts).len());
    assert_eq!(world.created(&subjects).await, (COUNT, COUNT + 1));
    assert!(rate > 100, "{rate} deals a second, in a debug build on a busy machine");
    agent.stop().await;
}

/// More than fits into a block, in transactions of all sizes: Anvil then drops some that it had accepted.
async fn a_block_a_second_that_does_not_hold_all_stalls_nothing(backend: Backend) {
    const COUNT: usize = 2_000;

    let world = World::new(Node::anvil(&["--block-time", "1"]), backend).await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let subjects: Vec<Uuid> = (0..COUNT).map(|_| Uuid::now_v7()).collect();
    for subjects in subjects.chunks(100) {
        world.request(&subjects.iter().map(|subject| world.open(*subject)).collect::<Vec<_>>()).await;
        agent.waker.wake();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut open, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
    while open < COUNT {
        let now = count_of(&world.facts().await, "DealOpened", &subjects);
        longest = longest.max(since.elapsed());
        assert!(longest < Duration::from_secs(5), "{open} are open, and nothing happens for {longest:?}");
        if now > open {
            (open, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("{backend:?}: the longest pause was {longest:?}");
    assert_eq!(world.created(&subjects).await, (COUNT, COUNT + 1));
    agent.stop().await;
}
