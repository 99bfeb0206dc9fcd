//! Endpoints that tell of events which never happened, with another endpoint beside them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alloy::primitives::keccak256;
use chain::{Fact, Kind};
use devchain::BlockTime;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::{Relay, Turn},
    world::{AMOUNT, Running, World, count_of, on_each_database},
};

on_each_database!(
    a_forged_deposit_is_not_paid,
    a_forged_deposit_that_was_seen_is_gone,
    a_forged_state_heals_nothing,
    an_endpoint_that_is_away_holds_nobody_up,
    a_diamond_stands_where_its_nonce_puts_it,
);

/// A world whose first endpoint is the relay, and whose second is the node itself.
async fn with_a_liar(backend: Backend, confirmations: u32) -> (World, Relay) {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    let liar = Relay::new(&world.node.url).await;
    world.network.rpc_urls.insert(0, SecretString::from(liar.url.clone()));
    world.network.confirmations = confirmations;
    (world, liar)
}

/// From now on every block has a deposit into the subject's deal, as far as this endpoint tells.
fn forge_deposits(liar: &Relay, world: &World, subject: Uuid) {
    let numbers: Arc<Mutex<HashMap<String, Value>>> = Arc::default();
    let (diamond, payer) = (world.diamond, world.payer.address());
    let reference = chain::reference(subject);
    liar.hook(move |method, params| match method {
        "eth_getBlockByNumber" => {
            let numbers = Arc::clone(&numbers);
            Turn::Edit(Box::new(move |block| {
                let hash = block["hash"].as_str().unwrap_or_default().to_owned();
                numbers.lock().expect("not poisoned").insert(hash, block["number"].clone());
            }))
        }
        "eth_getLogs" => {
            let Some(hash) = params[0]["blockHash"].as_str().map(str::to_owned) else { return Turn::Pass };
            let number = numbers.lock().expect("not poisoned").get(&hash).cloned();
            Turn::Edit(Box::new(move |logs| {
                let forged = json!({
                    "address": diamond, "blockHash": hash, "blockNumber": number, "logIndex": "0x7",
                    "transactionHash": keccak256("forged"), "transactionIndex": "0x0", "removed": false,
                    "topics": [keccak256("DealDeposited(uint256,bytes32,address,uint256)"), reference, reference],
                    "data": format!("0x{:0>64}{AMOUNT:064x}", format!("{payer:x}")),
                });
                logs.as_array_mut().expect("a list").push(forged);
            }))
        }
        _ => Turn::Pass,
    });
}

/// A transaction of no consequence, so that there is a block.
async fn mine(world: &World) {
    world.payer.transfer(world.signer, alloy::primitives::U256::from(1)).await.expect("is mined");
}

/// Mines on, because the liar need not be the one that is listened to at the moment.
async fn until_contradicted(world: &World, agent: &Running) {
    let started = Instant::now();
    let mut health = agent.health.clone();
    let contradicted = |health: &chain::AgentHealth| {
        let watcher = health.last_error.iter().any(|error| error.contains("contradict"));
        let doubted = |error: &String| error.contains("contradict");
        watcher || health.providers.iter().any(|provider| provider.last_error.as_ref().is_some_and(doubted))
    };
    while !contradicted(&health.borrow_and_update()) {
        assert!(started.elapsed() < Duration::from_secs(120), "no contradiction within 120 s");
        mine(world).await;
    }
}

/// Mines on until the facts are as expected.
async fn mine_until(world: &World, what: &str, condition: impl Fn(&[Fact]) -> bool) -> Vec<Fact> {
    let started = Instant::now();
    loop {
        let facts = world.facts().await;
        if condition(&facts) {
            return facts;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "not within 60 s: {what}; {facts:#?}");
        mine(world).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A deposit that really happens is told once.
async fn assert_paid_once(world: &World, subject: Uuid) {
    world.deposit(subject).await;
    let facts = mine_until(world, "it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) > 0).await;
    assert_eq!(count_of(&facts, "DepositFinal", &[subject]), 1);
}

async fn a_forged_deposit_is_not_paid(backend: Backend) {
    let (world, liar) = with_a_liar(backend, 1).await;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    forge_deposits(&liar, &world, subject);
    until_contradicted(&world, &agent).await;
    // The other endpoint is listened to now, and what it tells is recorded.
    let others = world.opened(&agent, 2).await;
    assert_eq!(world.created(&others).await, (2, 3));
    let facts = world.facts_of(subject).await;
    assert_eq!(count_of(&facts, "DepositFinal", &[subject]), 0, "{facts:#?}");
    assert_paid_once(&world, subject).await;
    agent.stop().await;
}

async fn a_forged_deposit_that_was_seen_is_gone(backend: Backend) {
    let (world, liar) = with_a_liar(backend, 3).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    mine_until(&world, "it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    forge_deposits(&liar, &world, subject);
    mine_until(&world, "it is seen", |facts| count_of(facts, "DepositSeen", &[subject]) > 0).await;
    let facts = mine_until(&world, "it is gone", |facts| count_of(facts, "DepositGone", &[subject]) > 0).await;
    assert_eq!(count_of(&facts, "DepositFinal", &[subject]), 0, "{facts:#?}");
    assert_paid_once(&world, subject).await;
    agent.stop().await;
}

async fn a_forged_state_heals_nothing(backend: Backend) {
    let (mut world, liar) = with_a_liar(backend, 1).await;
    world.config.reconcile_interval_ms = 200;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    // The seventh word of a deal is its state, after the two words that lead to the first deal.
    liar.hook(|method, params| {
        let deals = method == "eth_call" && params[1] != "latest";
        if deals { Turn::Edit(Box::new(deposited)) } else { Turn::Pass }
    });
    let started = Instant::now();
    let asked = liar.seen("eth_call").len();
    while liar.seen("eth_call").len() < asked + 3 {
        assert!(started.elapsed() < Duration::from_secs(120), "the reconciliation did not ask within 120 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let facts = world.facts_of(subject).await;
    assert_eq!(count_of(&facts, "DepositFinal", &[subject]), 0, "{facts:#?}");
    assert_paid_once(&world, subject).await;
    agent.stop().await;
}

/// Says of the first deal that it is deposited, by somebody.
fn deposited(result: &mut Value) {
    let Some(hex) = result.as_str() else { return };
    let mut words: Vec<String> =
        hex.trim_start_matches("0x").as_bytes().chunks(64).map(|word| String::from_utf8_lossy(word).into()).collect();
    let (state, payer) = (2 + 6, 2 + 7);
    if words.len() > payer {
        words[state] = format!("{:064x}", 2);
        words[payer] = format!("{:064x}", 0xbad);
        *result = json!(format!("0x{}", words.concat()));
    }
}

async fn an_endpoint_that_is_away_holds_nobody_up(backend: Backend) {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    world.network.rpc_urls.push(SecretString::from("http://127.0.0.1:1".to_owned()));
    let agent = world.start();
    let subject = world.opened(&agent, 3).await[0];
    assert_paid_once(&world, subject).await;
    agent.stop().await;
}

async fn a_diamond_stands_where_its_nonce_puts_it(backend: Backend) {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    let relay = world.behind_a_relay().await;
    let foreign = world.token;
    relay.hook(move |method, _| match method {
        "eth_getTransactionReceipt" => Turn::Edit(Box::new(move |receipt| {
            if receipt["contractAddress"].is_string() {
                receipt["contractAddress"] = json!(foreign);
            }
        })),
        _ => Turn::Pass,
    });
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.ask(subject, Kind::Deploy)]).await;
    agent.waker.wake();
    let facts = world.until("it is deployed", |facts| count_of(facts, "Deployed", &[subject]) == 1).await;
    let signed = facts.iter().find_map(|fact| match fact {
        Fact::Signed { kind: Kind::Deploy, nonce, .. } => Some(*nonce),
        _ => None,
    });
    let deployed = facts.iter().find_map(|fact| match fact {
        Fact::Deployed { diamond, .. } => Some(*diamond),
        _ => None,
    });
    assert_eq!(deployed, signed.map(|nonce| world.signer.create(nonce)));
    agent.stop().await;
}
