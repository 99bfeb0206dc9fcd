//! Endpoints that fail, lie, lag or lose things.

use std::time::Duration;

use chain::{Config, Evidence, Fact};
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
    a_dead_endpoint_is_passed_over,
    an_endpoint_of_another_network_is_not_used,
    an_endpoint_that_stands_still_is_left,
    a_log_nobody_saw_is_healed,
    a_receipt_that_lies_fails_nothing,
    words_nobody_knows_may_mean_success,
    a_transaction_that_a_node_forgot_is_sent_again,
    reads_that_fail_delay_and_lose_nothing,
    a_head_far_away_is_reached,
    a_call_that_no_node_understands_holds_nobody_up,
    an_endpoint_that_asks_for_patience_gets_it,
);

async fn on_devchain(backend: Backend) -> World {
    World::new(Node::devchain(BlockTime::Instant).await, backend).await
}

fn url(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

async fn a_dead_endpoint_is_passed_over(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.network.rpc_urls.insert(0, url("http://127.0.0.1:1/with-a-secret"));
    let agent = world.start();
    let subjects = world.opened(&agent, 3).await;
    assert_eq!(world.created(&subjects).await, (3, 3));
    let health = agent.health.borrow().clone();
    let labels: Vec<_> = health.providers.iter().map(|provider| (provider.label.as_str(), provider.up)).collect();
    assert_eq!(labels[0], ("127.0.0.1:1", false));
    assert!(labels[1].1);
    assert!(!format!("{health:?}").contains("secret"), "{health:?}");
    agent.stop().await;
}

async fn an_endpoint_of_another_network_is_not_used(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let other = Relay::new(&world.node.url).await;
    other.hook(|method, _| if method == "eth_chainId" { Turn::Result(json!("0x1")) } else { Turn::Pass });
    world.network.rpc_urls.insert(0, url(&other.url));
    let agent = world.start();
    world.opened(&agent, 1).await;
    assert!(other.seen("eth_sendRawTransaction").is_empty() && other.seen("eth_getBlockByNumber").is_empty());
    agent.stop().await;
}

async fn an_endpoint_that_stands_still_is_left(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let stale = Relay::new(&world.node.url).await;
    world.network.rpc_urls.insert(0, url(&stale.url));
    let agent = world.start();
    world.opened(&agent, 1).await;
    let head = world.node.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
    stale.hook(move |method, params| {
        let latest = method == "eth_getBlockByNumber" && params[0] == "latest";
        if latest { Turn::Result(head.clone()) } else { Turn::Pass }
    });
    world.opened(&agent, 2).await;
    agent.stop().await;
}

async fn a_log_nobody_saw_is_healed(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    world.config = Config { reconcile_interval_ms: 300, ..world.config };
    // The blocks' logs are hidden; those of a range, which only the reconciliation asks for, are not.
    relay.hook(|method, params| {
        let hidden = method == "eth_getLogs" && params[0].get("blockHash").is_some();
        if hidden { Turn::Result(json!([])) } else { Turn::Pass }
    });
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    let facts = world.facts_of(subject).await;
    let evidence: Vec<Evidence> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::DealOpened { evidence, .. } => Some(*evidence),
            _ => None,
        })
        .collect();
    assert_eq!(evidence[0].hash, Some(hashes(&facts)[0]));
    world.deposit(subject).await;
    let facts = world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    let paid = facts.iter().any(|fact| match fact {
        Fact::DepositFinal { payer, .. } => *payer == world.payer.address(),
        _ => false,
    });
    assert!(paid);
    world.request(&[world.ask(subject, chain::Kind::Cancel)]).await;
    agent.waker.wake();
    let facts = world.until("it is canceled", |facts| count_of(facts, "Canceled", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "Failed", &[subject]), 0);
    agent.stop().await;
}

async fn a_receipt_that_lies_fails_nothing(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let mut lies = 0;
    relay.hook(move |method, _| match method {
        "eth_getTransactionReceipt" if lies < 3 => {
            lies += 1;
            Turn::Change(|receipt| {
                if receipt.is_object() {
                    receipt["status"] = json!("0x0");
                }
            })
        }
        _ => Turn::Pass,
    });
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    tokio::time::sleep(Duration::from_millis(500)).await;
    let facts = world.facts_of(subject).await;
    assert_eq!(count_of(&facts, "Failed", &[subject]), 0);
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn words_nobody_knows_may_mean_success(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    for (code, message) in [
        (-31_999, "the moon is in the wrong phase"),
        (-32_603, "internal error"),
        (-32_000, "already known"),
        (-32_000, "execution reverted"),
        (-32_602, "invalid params"),
        (-32_005, "limit exceeded"),
    ] {
        relay.hook(move |method, _| match method {
            "eth_sendRawTransaction" => Turn::PassThenError(code, message),
            _ => Turn::Pass,
        });
        let subject = world.opened(&agent, 1).await[0];
        let facts = world.facts_of(subject).await;
        assert_eq!(hashes(&facts).len(), 1, "{message}");
        assert_eq!(count_of(&facts, "Failed", &[subject]), 0, "{message}");
    }
    agent.stop().await;
}

async fn a_transaction_that_a_node_forgot_is_sent_again(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    world.config = Config { rebroadcast_after_ms: 300, ..world.config };
    let agent = world.start();
    relay.hook(|method, _| match method {
        "eth_sendRawTransaction" => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
        _ => Turn::Pass,
    });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("a node took it", |facts| count_of(facts, "Broadcast", &[subject]) == 1).await;
    relay.hook(|_, _| Turn::Pass);
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(hashes(&facts).len(), 1);
    let sent = relay.seen("eth_sendRawTransaction");
    assert!(sent.len() >= 2 && sent.iter().all(|bytes| *bytes == sent[0]), "the same bytes again");
    agent.stop().await;
}

async fn reads_that_fail_delay_and_lose_nothing(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let mut calls = 0_u32;
    relay.hook(move |method, _| {
        calls += 1;
        // Scattered: a fixed period can keep in step with the agent's own rounds and fail the same read for ever.
        match (calls.wrapping_mul(2_654_435_761) >> 16) % 7 {
            0 if method != "eth_sendRawTransaction" => Turn::Status(503),
            3 if method != "eth_sendRawTransaction" => Turn::Error(-32_603, "try later"),
            5 if method == "eth_estimateGas" => Turn::Status(429),
            _ => Turn::Pass,
        }
    });
    let agent = world.start();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(world.opened(&agent, 7).await);
    }
    assert_eq!(world.created(&all).await, (35, 35));
    let facts = world.facts().await;
    assert_eq!((count_of(&facts, "Failed", &all), count_of(&facts, "DealOpened", &all)), (0, 35));
    agent.stop().await;
}

async fn a_head_far_away_is_reached(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.config = Config { log_range_max: 50, ..world.config };
    let chain = world.node.devchain.clone().expect("the development chain");
    let agent = world.start();
    let subjects = world.opened(&agent, 2).await;
    agent.stop().await;
    world.deposit(subjects[0]).await;
    chain.mine(300).expect("mines");
    world.deposit(subjects[1]).await;
    chain.mine(300).expect("mines");
    let agent = world.start();
    world.until("both are paid", |facts| count_of(facts, "DepositFinal", &subjects) == 2).await;
    let mut health = agent.health.clone();
    let head = chain.block_number();
    health.wait_for(|health| health.head == Some(head)).await.expect("it gets there");
    let observed = chain::observed_until(&*world.database.db, world.network.id).await.expect("answers");
    assert!(observed.is_some());
    agent.stop().await;
}

async fn a_call_that_no_node_understands_holds_nobody_up(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let subjects: Vec<Uuid> = (0..9).map(|_| Uuid::now_v7()).collect();
    let odd = format!("{:x}", chain::reference(subjects[4]));
    relay.hook(move |method, params| match method {
        "eth_estimateGas" if params.to_string().contains(&odd) => Turn::Error(-32_000, "the stars are wrong"),
        _ => Turn::Pass,
    });
    world.request(&subjects.iter().map(|subject| world.open(*subject)).collect::<Vec<_>>()).await;
    let agent = world.start();
    let facts = world.until("the others are open", |facts| count_of(facts, "DealOpened", &subjects) == 8).await;
    assert_eq!((hashes(&facts).len(), count_of(&facts, "Failed", &subjects)), (1, 0));
    relay.hook(|_, _| Turn::Pass);
    world.until("so is the last", |facts| count_of(facts, "DealOpened", &subjects) == 9).await;
    agent.stop().await;
}

async fn an_endpoint_that_asks_for_patience_gets_it(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    relay.hook(|_, _| Turn::Throttle(1));
    let before = relay.count();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(relay.count() - before <= 4, "{} calls within its second", relay.count() - before);
    relay.hook(|_, _| Turn::Pass);
    world.opened(&agent, 1).await;
    agent.stop().await;
}
