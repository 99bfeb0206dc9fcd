//! An agent that ends anywhere leaves everything so that the next one goes on: the same bytes, one deal.

use std::time::{Duration, Instant};

use chain::{Config, Fact};
use devchain::{BlockTime, Fault};
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::Turn,
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(
    killed_before_the_bytes_left,
    killed_before_the_answer,
    an_answer_that_never_comes_is_no_failure,
    one_of_two_agents_works,
);

async fn on_devchain(backend: Backend) -> World {
    World::new(Node::devchain(BlockTime::Instant).await, backend).await
}

async fn killed(backend: Backend, turn: fn() -> Turn, mined: usize) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let subjects: Vec<Uuid> = (0..7).map(|_| Uuid::now_v7()).collect();
    let agent = world.start();
    relay.hook(move |method, _| if method == "eth_sendRawTransaction" { turn() } else { Turn::Pass });
    world.request(&subjects.iter().map(|subject| world.open(*subject)).collect::<Vec<_>>()).await;
    agent.waker.wake();
    world.until("all are signed", |facts| count_of(facts, "Signed", &subjects) == 7).await;
    while relay.seen("eth_sendRawTransaction").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    agent.kill().await;
    let signed = hashes(&world.facts().await);
    assert_eq!(count_of(&world.facts().await, "Broadcast", &subjects), 0, "killed too late");
    assert_eq!(world.created(&subjects).await.0, mined);
    relay.hook(|_, _| Turn::Pass);

    let agent = world.start();
    let facts = world.until("all are open", |facts| count_of(facts, "DealOpened", &subjects) == 7).await;
    assert_eq!(hashes(&facts), signed, "the next owner signed anew");
    assert_eq!(world.created(&subjects).await, (7, 7));
    agent.stop().await;
}

async fn killed_before_the_bytes_left(backend: Backend) {
    killed(backend, || Turn::Hang, 0).await;
}

async fn killed_before_the_answer(backend: Backend) {
    killed(backend, || Turn::PassThenHang, 7).await;
}

async fn an_answer_that_never_comes_is_no_failure(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.config = Config { rpc_timeout_ms: 300, ..world.config };
    let chain = world.node.devchain.clone().expect("the development chain");
    let agent = world.start();
    world.opened(&agent, 1).await;
    for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::Status(503), Fault::Status(429)] {
        chain.faults().arm("eth_sendRawTransaction", fault.clone(), 2);
        let subject = Uuid::now_v7();
        world.request(&[world.open(subject)]).await;
        agent.waker.wake();
        let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
        let of_subject: Vec<Fact> = facts.into_iter().filter(|fact| fact.subject_id() == subject).collect();
        assert_eq!(hashes(&of_subject).len(), 1, "{fault:?} made it sign anew");
        assert_eq!(count_of(&of_subject, "Failed", &[subject]), 0);
        chain.faults().clear();
    }
    agent.stop().await;
}

async fn one_of_two_agents_works(backend: Backend) {
    let world = on_devchain(backend).await;
    let first = world.start();
    world.opened(&first, 20).await;
    let second = world.start_on(world.database.connect().await, world.config.clone());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(first.health.borrow().leader && !second.health.borrow().leader);

    let stopped = Instant::now();
    first.stop().await;
    let mut health = second.health.clone();
    health.wait_for(|health| health.leader).await.expect("it takes over");
    assert!(stopped.elapsed() < Duration::from_millis(1_500), "a graceful stop gives the network up at once");
    world.opened(&second, 20).await;

    let third = world.start();
    second.kill().await;
    let mut health = third.health.clone();
    health.wait_for(|health| health.leader).await.expect("it takes over when the lease has lapsed");
    let subjects = world.opened(&third, 20).await;
    assert_eq!(world.created(&subjects).await, (20, 60));
    third.stop().await;
}
