//! Nodes that lack what others have, or lose what they had taken.

use std::time::{Duration, Instant};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::Decodable2718,
};
use chain::Config;
use devchain::BlockTime;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::{Refusal, Relay, Turn},
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(
    where_blocks_have_no_base_fee_transactions_are_of_the_old_kind,
    a_node_that_does_not_tell_its_pool_is_believed_about_its_blocks,
    a_node_that_gives_no_logs_by_hash_is_asked_by_number,
    heights_without_a_block_are_passed_over,
    a_node_that_throttles_every_batch_is_asked_one_by_one,
    what_a_node_has_lost_is_sent_again_with_the_next_block,
);

async fn on_devchain(backend: Backend) -> (World, Relay) {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    let relay = world.behind_a_relay().await;
    (world, relay)
}

/// A node of before EIP-1559.
fn before_london(method: &str, params: &Value) -> Turn {
    match method {
        "eth_getBlockByNumber" => Turn::Change(|block| {
            block.as_object_mut().map(|block| block.remove("baseFeePerGas"));
        }),
        "eth_maxPriorityFeePerGas" => Turn::Error(-32_601, "the method eth_maxPriorityFeePerGas does not exist"),
        "eth_sendRawTransaction" if params[0].as_str().is_some_and(|raw| raw.starts_with("0x02")) => {
            Turn::Error(-32_000, "transaction type not supported")
        }
        _ => Turn::Pass,
    }
}

fn sent(relay: &Relay) -> Vec<TxEnvelope> {
    let raw = |params: &Value| alloy::hex::decode(params[0].as_str().expect("bytes")).expect("hexadecimal");
    let decoded = |params: &Value| TxEnvelope::decode_2718_exact(&raw(params)).expect("a transaction");
    relay.seen("eth_sendRawTransaction").iter().map(decoded).collect()
}

async fn where_blocks_have_no_base_fee_transactions_are_of_the_old_kind(backend: Backend) {
    let (mut world, relay) = on_devchain(backend).await;
    world.config = Config { bump_after_ms: 400, ..world.config };
    relay.hook(before_london);
    let agent = world.start();
    world.opened(&agent, 2).await;
    let envelopes = sent(&relay);
    assert!(envelopes.iter().all(|envelope| envelope.is_legacy() && envelope.chain_id() == Some(31_337)));

    // Taken and never mined: what replaces it is of the old kind too, and dearer.
    relay.hook(|method, params| match method {
        "eth_sendRawTransaction" => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
        _ => before_london(method, params),
    });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is raised", |facts| count_of(facts, "Signed", &[subject]) >= 2).await;
    relay.hook(before_london);
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    let prices: Vec<u128> = sent(&relay)[envelopes.len()..]
        .iter()
        .map(|envelope| {
            assert!(envelope.is_legacy() && envelope.chain_id() == Some(31_337));
            envelope.max_fee_per_gas()
        })
        .collect();
    let (first, last) = (prices[0], prices[prices.len() - 1]);
    assert!(last * 10 >= first * 11, "{prices:?}");
    agent.stop().await;
}

async fn a_node_that_does_not_tell_its_pool_is_believed_about_its_blocks(backend: Backend) {
    let (world, relay) = on_devchain(backend).await;
    relay.hook(|method, params| match method {
        "eth_getTransactionCount" if params[1] == "pending" => {
            Turn::Error(-32_602, "invalid argument 1: unknown block tag pending")
        }
        _ => Turn::Pass,
    });
    let agent = world.start();
    let subjects = world.opened(&agent, 3).await;
    assert_eq!(world.created(&subjects).await, (3, 3));
    agent.stop().await;
}

async fn a_node_that_gives_no_logs_by_hash_is_asked_by_number(backend: Backend) {
    let (world, relay) = on_devchain(backend).await;
    relay.hook(|method, params| match method {
        "eth_getLogs" if params[0].get("blockHash").is_some() => {
            Turn::Error(-32_602, "invalid argument 0: unknown field blockHash")
        }
        _ => Turn::Pass,
    });
    let agent = world.start();
    let subjects = world.opened(&agent, 2).await;
    world.deposit(subjects[0]).await;
    world.until("it is paid", |facts| count_of(facts, "DepositFinal", &subjects) == 1).await;
    let by_hash = |params: &Value| params[0].get("blockHash").is_some();
    let before = relay.seen("eth_getLogs").iter().filter(|params| by_hash(params)).count();
    world.deposit(subjects[1]).await;
    world.until("so is the other", |facts| count_of(facts, "DepositFinal", &subjects) == 2).await;
    let after = relay.seen("eth_getLogs").iter().filter(|params| by_hash(params)).count();
    assert_eq!(after, before, "it is not asked for by hash again");
    agent.stop().await;
}

fn number(text: &Value) -> u64 {
    u64::from_str_radix(text.as_str().expect("a quantity").trim_start_matches("0x"), 16).expect("a quantity")
}

fn double(value: &mut Value) {
    if value.is_string() {
        *value = json!(format!("{:#x}", number(value) * 2));
    }
}

/// Shows the node's blocks at twice their heights, with nothing in between.
fn every_other_height(method: &str, params: &Value) -> Turn {
    const EMPTY: Turn = Turn::Error(12, "requested epoch was a null round");
    let half = |place: usize, change: fn(&mut Value)| {
        let height = params[place].as_str().filter(|text| text.starts_with("0x"));
        let Some(height) = height.map(|_| number(&params[place])) else { return Turn::Instead(params.clone(), change) };
        let mut params = params.clone();
        params[place] = json!(format!("{:#x}", height / 2));
        if height % 2 == 0 { Turn::Instead(params, change) } else { EMPTY }
    };
    match method {
        "eth_blockNumber" => Turn::Change(double),
        "eth_getBlockByNumber" => half(0, |block| {
            if block.is_object() {
                double(&mut block["number"]);
            }
        }),
        "eth_getTransactionReceipt" => Turn::Change(|receipt| {
            if receipt.is_object() {
                double(&mut receipt["blockNumber"]);
            }
        }),
        "eth_getLogs" => {
            let mut params = params.clone();
            for (bound, up) in [("fromBlock", 1), ("toBlock", 0)] {
                if params[0].get(bound).is_some() {
                    params[0][bound] = json!(format!("{:#x}", (number(&params[0][bound]) + up) / 2));
                }
            }
            Turn::Instead(params, |logs| {
                for log in logs.as_array_mut().into_iter().flatten() {
                    double(&mut log["blockNumber"]);
                }
            })
        }
        "eth_call" | "eth_getCode" | "eth_getBalance" | "eth_getTransactionCount" => half(1, |_| {}),
        _ => Turn::Pass,
    }
}

async fn heights_without_a_block_are_passed_over(backend: Backend) {
    let (mut world, relay) = on_devchain(backend).await;
    relay.hook(every_other_height);
    world.network.confirmations = 2;
    world.config = Config { log_range_max: 50, reconcile_interval_ms: 300, ..world.config };
    let chain = world.node.devchain.clone().expect("the development chain");
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world
        .until("it is open", |facts| {
            chain.mine(1).expect("mines");
            count_of(facts, "DealOpened", &[subject]) == 1
        })
        .await;
    agent.stop().await;
    // Now far behind.
    world.deposit(subject).await;
    chain.mine(300).expect("mines");
    let agent = world.start();
    let facts = world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "Failed", &[subject]), 0);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(agent.health.borrow().last_error, None);
    agent.stop().await;
}

async fn a_node_that_throttles_every_batch_is_asked_one_by_one(backend: Backend) {
    let (world, relay) = on_devchain(backend).await;
    relay.refuse_batches(1, Refusal::Status(429));
    let agent = world.start();
    let subjects = world.opened(&agent, 5).await;
    assert_eq!(world.created(&subjects).await, (5, 5));
    assert_eq!(count_of(&world.facts().await, "Failed", &subjects), 0);
    agent.stop().await;
}

async fn what_a_node_has_lost_is_sent_again_with_the_next_block(backend: Backend) {
    let (world, relay) = on_devchain(backend).await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let mut lost = false;
    relay.hook(move |method, _| match method {
        "eth_sendRawTransaction" if !lost => {
            lost = true;
            Turn::Result(json!(format!("0x{}", "ab".repeat(32))))
        }
        _ => Turn::Pass,
    });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("a node took it", |facts| count_of(facts, "Broadcast", &[subject]) == 1).await;
    let started = Instant::now();
    world.node.devchain.as_ref().expect("the development chain").mine(1).expect("mines");
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    let limit = Duration::from_millis(world.config.rebroadcast_after_ms / 2);
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    let of_subject: Vec<_> = facts.into_iter().filter(|fact| fact.subject_id() == subject).collect();
    assert_eq!(hashes(&of_subject).len(), 1, "the same bytes again");
    agent.stop().await;
}
