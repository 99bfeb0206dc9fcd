//! What nobody knows is told with its evidence, once, and is not given up.

use std::time::Duration;

use chain::{Config, Fact, Inquiry};
use devchain::BlockTime;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::{Relay, Turn},
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(
    what_nobody_knows_is_told_once_with_its_evidence,
    who_asks_again_is_told_again,
    what_waits_for_confirmations_is_known,
    a_new_owner_looks_before_it_gives_up_knowing,
);

async fn on_devchain(backend: Backend) -> World {
    World::new(Node::devchain(BlockTime::Instant).await, backend).await
}

/// A node that takes everything and passes nothing on.
fn swallow(relay: &Relay) {
    relay.hook(|method, _| match method {
        "eth_sendRawTransaction" => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
        _ => Turn::Pass,
    });
}

fn inquiries(facts: &[Fact]) -> Vec<Inquiry> {
    let told = facts.iter().filter_map(|fact| match fact {
        Fact::OutcomeUnknown { inquiry, .. } => Some((**inquiry).clone()),
        _ => None,
    });
    told.collect()
}

/// Two endpoints in front of the node, and one that is not there.
async fn behind_two(world: &mut World) -> [Relay; 2] {
    let relays = [Relay::new(&world.node.url).await, Relay::new(&world.node.url).await];
    let urls = relays.iter().map(|relay| relay.url.clone()).chain(["http://127.0.0.1:1".to_owned()]);
    world.network.rpc_urls = urls.map(SecretString::from).collect();
    relays
}

async fn what_nobody_knows_is_told_once_with_its_evidence(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.config = Config { review_after_ms: 1_000, bump_after_ms: 400, ..world.config };
    let relays = behind_two(&mut world).await;
    relays.iter().for_each(swallow);
    let agent = world.start();
    let subjects = [Uuid::now_v7(), Uuid::now_v7()];
    world.request(&subjects.map(|subject| world.open(subject))).await;
    agent.waker.wake();
    let facts = world.until("both are told of", |facts| count_of(facts, "OutcomeUnknown", &subjects) == 2).await;
    let inquiry = inquiries(&facts)[0].clone();
    let attempts: Vec<_> = inquiry.attempts.iter().map(|attempt| attempt.hash).collect();
    assert!(attempts.len() >= 2 && hashes(&facts).contains(&attempts[0]), "{inquiry:#?}");
    assert!(inquiry.attempts.iter().all(|attempt| attempt.nonce == inquiry.attempts[0].nonce));
    assert_eq!(inquiry.attempts[0].answer.as_deref(), Some("accepted"));
    assert_eq!(inquiry.reference, Some(chain::reference(subjects[0])));
    let head = world.node.devchain.as_ref().expect("the development chain").block_number();
    for testimony in &inquiry.testimonies[..2] {
        assert_eq!((&testimony.block_number, &testimony.nonce), (&Ok(head), &Ok(inquiry.attempts[0].nonce)));
        assert_eq!(testimony.receipts, vec![Ok(None); attempts.len()]);
        assert_eq!(testimony.deal, Some(Ok("none".to_owned())));
    }
    let dead = &inquiry.testimonies[2];
    assert_eq!((dead.provider.as_str(), inquiry.testimonies.len()), ("127.0.0.1:1", 3));
    assert!(dead.block_number.is_err() && dead.receipts.iter().all(Result::is_err), "{dead:?}");

    // Neither later nor by another owner is it told again.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    agent.kill().await;
    let agent = world.start();
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!(count_of(&world.facts().await, "OutcomeUnknown", &subjects), 2);

    // The nonce was not given up, so that the truth still comes.
    relays.iter().for_each(|relay| relay.hook(|_, _| Turn::Pass));
    world.until("both are open", |facts| count_of(facts, "DealOpened", &subjects) == 2).await;
    world.opened(&agent, 1).await;
    assert_eq!(world.created(&subjects).await, (2, 3));
    let count = world.node.rpc("eth_getTransactionCount", json!([world.signer, "latest"])).await;
    assert_eq!(count, format!("{:#x}", inquiry.attempts[0].nonce + 2), "one nonce for the batch, one for the last");
    agent.stop().await;
}

async fn who_asks_again_is_told_again(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.config = Config { review_after_ms: 600, ..world.config };
    let relay = world.behind_a_relay().await;
    swallow(&relay);
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is told of", |facts| count_of(facts, "OutcomeUnknown", &[subject]) == 1).await;
    world.request(&[world.open(subject)]).await;
    let facts = world.until("and again", |facts| count_of(facts, "OutcomeUnknown", &[subject]) == 2).await;
    assert_eq!(hashes(&facts).len(), 1, "asking again signs nothing anew");
    let told = inquiries(&facts);
    assert!(told[1].since - told[0].since >= chrono::TimeDelta::milliseconds(600), "counted from the asking");
    agent.stop().await;
}

async fn what_waits_for_confirmations_is_known(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.network.confirmations = 4;
    world.config = Config { review_after_ms: 500, ..world.config };
    let chain = world.node.devchain.clone().expect("the development chain");
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is mined", |facts| count_of(facts, "Mined", &[subject]) == 1).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    chain.mine(4).expect("mines");
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "OutcomeUnknown", &[subject]), 0);
    agent.stop().await;
}

async fn a_new_owner_looks_before_it_gives_up_knowing(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.config = Config { review_after_ms: 5_000, ..world.config };
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    relay.hook(|method, _| if method == "eth_sendRawTransaction" { Turn::Hang } else { Turn::Pass });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is signed", |facts| count_of(facts, "Signed", &[subject]) == 1).await;
    agent.kill().await;
    tokio::time::sleep(Duration::from_millis(5_200)).await;
    // Long overdue when the next owner comes, which needs a moment to get it through.
    relay.hook(|method, _| if method == "eth_sendRawTransaction" { Turn::Status(503) } else { Turn::Pass });
    let agent = world.start();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    relay.hook(|_, _| Turn::Pass);
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "OutcomeUnknown", &[subject]), 0);
    agent.stop().await;
}
