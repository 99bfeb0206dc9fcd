//! Endpoints that say what is not so: nothing is believed that the chain's own events do not bear out, and nothing fails
//! on the word of one where there is another.

use std::time::Duration;

use alloy::primitives::U256;
use chain::{Config, DealTerms, Fact, Request};
use devchain::{BlockTime, DevChain};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::{Refusal, Relay, Turn},
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(
    a_receipt_out_of_thin_air_makes_no_deal,
    a_receipt_that_is_withheld_makes_no_second_deal,
    a_receipt_of_another_block_is_not_believed,
    a_revert_that_one_endpoint_invents_fails_nothing,
    a_missing_contract_that_one_endpoint_invents_fails_nothing,
    a_revert_that_both_see_fails_by_name,
    a_second_endpoint_that_is_away_holds_up_no_failure_for_long,
    an_endpoint_that_is_behind_says_nothing_about_a_nonce,
    endpoints_without_batches_are_asked_one_by_one,
    another_chain_is_named_in_health,
);

async fn on_devchain(backend: Backend) -> (World, DevChain) {
    let world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    let chain = world.node.devchain.clone().expect("the development chain");
    (world, chain)
}

/// Two endpoints in front of the same node, the first preferred.
async fn behind_two(world: &mut World) -> (Relay, Relay) {
    let (first, second) = (Relay::new(&world.node.url).await, Relay::new(&world.node.url).await);
    world.network.rpc_urls = [&first, &second].map(|relay| SecretString::from(relay.url.clone())).to_vec();
    (first, second)
}

async fn a_receipt_out_of_thin_air_makes_no_deal(backend: Backend) {
    let (mut world, chain) = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let nonce = world.nonce().await;
    let head = world.node.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
    relay.hook(move |method, params| match method {
        "eth_sendRawTransaction" => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
        "eth_getTransactionCount" => Turn::Result(json!(format!("{:#x}", nonce + 1))),
        "eth_getTransactionReceipt" => Turn::Result(json!({
            "transactionHash": params[0], "blockNumber": head["number"], "blockHash": head["hash"], "status": "0x1",
        })),
        _ => Turn::Pass,
    });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    // Said to be mined with success, but there is no event: it is put into another transaction.
    let facts = world
        .until("it is sent once more", |facts| {
            chain.mine(1).expect("mines");
            count_of(facts, "Signed", &[subject]) == 2
        })
        .await;
    assert_eq!(count_of(&facts, "DealOpened", &[subject]), 0);
    relay.hook(|_, _| Turn::Pass);
    // The first is still good, and takes the nonce that nobody has used.
    world
        .until("it is open", |facts| {
            chain.mine(1).expect("mines");
            count_of(facts, "DealOpened", &[subject]) == 1
        })
        .await;
    world.opened(&agent, 1).await;
    assert_eq!(world.created(&[subject]).await, (1, 3));
    assert_eq!(world.nonce().await, nonce + 3, "nonces are dense");
    assert_eq!(count_of(&world.facts().await, "Failed", &[subject]), 0);
    agent.stop().await;
}

async fn a_receipt_that_is_withheld_makes_no_second_deal(backend: Backend) {
    let (mut world, chain) = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    relay.hook(|method, _| if method == "eth_getTransactionReceipt" { Turn::Result(json!(null)) } else { Turn::Pass });
    let subject = world.opened(&agent, 1).await[0];
    for _ in 0..5 {
        chain.mine(1).expect("mines");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let other = world.opened(&agent, 1).await[0];
    let facts = world.facts().await;
    assert_eq!((hashes(&facts).len(), count_of(&facts, "Failed", &[subject, other])), (2, 0));
    assert_eq!(world.created(&[subject, other]).await, (2, 2));
    agent.stop().await;
}

async fn a_receipt_of_another_block_is_not_believed(backend: Backend) {
    let (mut world, chain) = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    relay.hook(|method, _| match method {
        "eth_getTransactionReceipt" => Turn::Change(|receipt| {
            if receipt.is_object() {
                receipt["blockHash"] = json!(format!("0x{}", "cd".repeat(32)));
                receipt["status"] = json!("0x0");
            }
        }),
        _ => Turn::Pass,
    });
    let subject = world.opened(&agent, 1).await[0];
    for _ in 0..3 {
        chain.mine(1).expect("mines");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    relay.hook(|_, _| Turn::Pass);
    let other = world.opened(&agent, 1).await[0];
    let facts = world.facts().await;
    assert_eq!((hashes(&facts).len(), count_of(&facts, "Failed", &[subject, other])), (2, 0));
    assert_eq!(world.created(&[subject, other]).await, (2, 2));
    agent.stop().await;
}

async fn invented(backend: Backend, lie: fn(&str) -> Turn) {
    let (mut world, _) = on_devchain(backend).await;
    let (liar, _honest) = behind_two(&mut world).await;
    liar.hook(move |method, _| lie(method));
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!((hashes(&facts).len(), count_of(&facts, "Failed", &[subject])), (1, 0));
    agent.stop().await;
}

async fn a_revert_that_one_endpoint_invents_fails_nothing(backend: Backend) {
    invented(backend, |method| match method {
        "eth_estimateGas" => Turn::Error(3, "execution reverted"),
        _ => Turn::Pass,
    })
    .await;
}

async fn a_missing_contract_that_one_endpoint_invents_fails_nothing(backend: Backend) {
    invented(backend, |method| if method == "eth_getCode" { Turn::Result(json!("0x")) } else { Turn::Pass }).await;
}

/// A deal that the contract refuses.
fn refused(world: &World, subject: Uuid) -> Request {
    let open = world.open(subject);
    let terms = open.terms.map(|terms| DealTerms { amount: U256::ZERO, ..terms });
    Request { terms, ..open }
}

async fn fails_by_name(world: &World) {
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[refused(world, subject)]).await;
    agent.waker.wake();
    let facts = world.until("it fails", |facts| count_of(facts, "Failed", &[subject]) == 1).await;
    let code = facts.iter().find_map(|fact| match fact {
        Fact::Failed { code, .. } => Some(code.clone()),
        _ => None,
    });
    assert_eq!(code.as_deref(), Some("InvalidAmount"));
    world.opened(&agent, 1).await;
    agent.stop().await;
}

async fn a_revert_that_both_see_fails_by_name(backend: Backend) {
    let (mut world, _) = on_devchain(backend).await;
    let (_first, second) = behind_two(&mut world).await;
    fails_by_name(&world).await;
    assert!(!second.seen("eth_estimateGas").is_empty(), "the second was asked");
}

async fn a_second_endpoint_that_is_away_holds_up_no_failure_for_long(backend: Backend) {
    let (mut world, _) = on_devchain(backend).await;
    world.network.rpc_urls.push(SecretString::from("http://127.0.0.1:1".to_owned()));
    fails_by_name(&world).await;
}

async fn an_endpoint_that_is_behind_says_nothing_about_a_nonce(backend: Backend) {
    let (mut world, chain) = on_devchain(backend).await;
    let (first, behind) = behind_two(&mut world).await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let (nonce, head) = (world.nonce().await, chain.block_number());
    let away = |method: &str, _: &serde_json::Value| match method {
        "eth_sendRawTransaction" => Turn::Status(503),
        _ => Turn::Pass,
    };
    first.hook(away);
    let stale = move |method: &str, _: &serde_json::Value| match method {
        "eth_sendRawTransaction" => Turn::Status(503),
        "eth_blockNumber" => Turn::Result(json!(format!("{head:#x}"))),
        "eth_getTransactionCount" => Turn::Result(json!(format!("{nonce:#x}"))),
        "eth_getTransactionReceipt" => Turn::Result(json!(null)),
        _ => Turn::Pass,
    };
    behind.hook(stale);
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is signed", |facts| count_of(facts, "Signed", &[subject]) == 1).await;
    let owner = world.owner().await;
    owner.transfer(world.payer.address(), U256::from(1)).await.expect("takes the nonce");
    first.hook(|_, _| Turn::Pass);
    for _ in 0..12 {
        chain.mine(1).expect("mines");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 1, "only one endpoint has the blocks");
    behind.hook(|_, _| Turn::Pass);
    world
        .until("it is open", |facts| {
            chain.mine(1).expect("mines");
            count_of(facts, "DealOpened", &[subject]) == 1
        })
        .await;
    assert_eq!(world.created(&[subject]).await.0, 1);
    agent.stop().await;
}

async fn endpoints_without_batches_are_asked_one_by_one(backend: Backend) {
    let (mut world, _) = on_devchain(backend).await;
    let mut opened = 0;
    for (above, refusal) in [
        (1, Refusal::Error(-32_600, "batch requests are not supported")),
        (1, Refusal::Status(400)),
        (7, Refusal::Error(-32_000, "batch limit 7 exceeded")),
    ] {
        let relay = world.behind_a_relay().await;
        relay.refuse_batches(above, refusal);
        let agent = world.start();
        let subjects = world.opened(&agent, 5).await;
        opened += 5;
        assert_eq!(world.created(&subjects).await, (5, opened), "{refusal:?}");
        assert_eq!(count_of(&world.facts().await, "Failed", &subjects), 0, "{refusal:?}");
        agent.stop().await;
    }
}

async fn another_chain_is_named_in_health(backend: Backend) {
    let (mut world, _) = on_devchain(backend).await;
    world.config = Config { reconcile_interval_ms: 300, ..world.config };
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    agent.stop().await;
    let ours = world.network.rpc_urls.clone();
    // The same number, another genesis.
    let other = Node::devchain(BlockTime::Instant).await;
    other.devchain.as_ref().expect("the development chain").mine(3).expect("mines");
    world.network.rpc_urls = vec![other.secret_url()];
    let agent = world.start();
    let mut health = agent.health.clone();
    let named =
        health.wait_for(|health| health.last_error.as_deref().is_some_and(|text| text.contains("another chain")));
    let named = tokio::time::timeout(Duration::from_secs(90), named).await;
    assert!(named.expect("within 90 s").is_ok());
    world.request(&[world.open(Uuid::now_v7())]).await;
    agent.waker.wake();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(
        other.rpc("eth_getTransactionCount", json!([world.signer, "latest"])).await,
        "0x0",
        "nothing is sent there"
    );
    agent.stop().await;

    world.network.rpc_urls = ours;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let facts = world.facts_of(subject).await;
    assert_eq!((count_of(&facts, "FinalityBroken", &[subject]), agent.health.borrow().last_error.clone()), (0, None));
    agent.stop().await;
}
