//! How fast deals get from asked for to final on Anvil, with one signer.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{World, count_of, hashes, on_each_database},
};

/// Mining at once leaves what does not fit into a block unmined until another transaction comes.
const MINES_THE_REST: &[&str] = &["--mixed-mining", "--block-time", "1"];

on_each_database!(opens_two_thousand);

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
