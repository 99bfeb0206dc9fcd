//! What can go wrong between a signed transaction and its block, one case each, and that all of them end alike: one
//! deal, nonces without a gap, and a lane that goes on.
//!
//! | signal | case |
//! |---|---|
//! | refused before a byte left | `refused_before_a_byte_left` |
//! | nothing within the time, mined or not | `lost_and_mined`, `lost_and_not_mined`; killed there: `crashes` |
//! | HTTP 429 with `Retry-After`; HTTP 5xx | `throttled`, `a_gateway_that_gave_up` |
//! | already known | `known_already` |
//! | nonce too low, ours; a stranger's | `nonce_too_low_and_ours`, `nonce_too_low_and_a_strangers` |
//! | nonce too high | `nonce_too_high` |
//! | underpriced; replacement underpriced | `underpriced`, `replacement_underpriced` |
//! | over the fee cap, before and in flight | `lanes::waits_for_a_lower_price`, `over_the_fee_cap_in_flight` |
//! | insufficient funds, seen by us; by the node | `lanes::waits_for_funds_and_goes_on`, `no_funds_at_the_node` |
//! | the pool is full | `a_full_pool` |
//! | refused for good | `lanes::what_no_node_takes_gives_way_to_a_noop` |
//! | reverts when tried; when mined | `reverts_when_tried`, `lanes::what_reverts_when_mined_fails_by_name` |
//! | a stale endpoint; one that lies | `endpoints`, `lies` |
//! | words nobody knows | `unheard_of_and_mined`, `unheard_of_and_not_mined` |

use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::U256;
use chain::{Config, DealTerms, Fact, Request};
use devchain::BlockTime;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::{Relay, Turn},
    world::{Running, World, count_of, hashes, on_each_database},
};

on_each_database!(
    refused_before_a_byte_left,
    lost_and_mined,
    lost_and_not_mined,
    throttled,
    a_gateway_that_gave_up,
    known_already,
    nonce_too_low_and_ours,
    nonce_too_low_and_a_strangers,
    nonce_too_high,
    underpriced,
    replacement_underpriced,
    over_the_fee_cap_in_flight,
    no_funds_at_the_node,
    a_full_pool,
    reverts_when_tried,
    unheard_of_and_mined,
    unheard_of_and_not_mined,
);

/// A lane that works, behind a relay, and the nonce that it uses next.
struct Scene {
    world: World,
    relay: Relay,
    agent: Running,
    first_nonce: u64,
}

impl Scene {
    async fn new(backend: Backend, adjust: fn(&mut World)) -> Self {
        let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
        world.config = Config { rpc_timeout_ms: 700, rebroadcast_after_ms: 500, ..world.config };
        let relay = world.behind_a_relay().await;
        adjust(&mut world);
        let agent = world.start();
        world.opened(&agent, 1).await;
        let first_nonce = world.nonce().await;
        Self { world, relay, agent, first_nonce }
    }

    /// The next broadcasts go like this, those after them as they should.
    fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        let mut turns: std::collections::VecDeque<Turn> = turns.into_iter().collect();
        self.relay.hook(move |method, _| match method {
            "eth_sendRawTransaction" => turns.pop_front().unwrap_or(Turn::Pass),
            _ => Turn::Pass,
        });
    }

    async fn open(&self) -> Uuid {
        let subject = Uuid::now_v7();
        self.world.request(&[self.world.open(subject)]).await;
        self.agent.waker.wake();
        subject
    }

    /// Signed fees by attempt: nonce, most per gas, tip.
    async fn signed(&self, subject: Uuid) -> Vec<(u64, u128, u128)> {
        let facts = self.world.facts_of(subject).await;
        let signed = facts.iter().filter_map(|fact| match fact {
            Fact::Signed { nonce, max_fee_per_gas, max_priority_fee_per_gas, .. } => {
                Some((*nonce, *max_fee_per_gas, *max_priority_fee_per_gas))
            }
            _ => None,
        });
        signed.collect()
    }

    /// The end that all of them have. `transactions`: how many were signed for the subject, all for one nonce.
    async fn ends_well(self, subject: Uuid, transactions: usize) {
        let world = &self.world;
        world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
        let facts = world.facts_of(subject).await;
        assert_eq!(count_of(&facts, "Failed", &[subject]), 0);
        assert_eq!(hashes(&facts).len(), transactions, "{facts:#?}");
        let nonces: BTreeSet<u64> = self.signed(subject).await.into_iter().map(|(nonce, ..)| nonce).collect();
        assert_eq!(nonces, BTreeSet::from([self.first_nonce]), "no second nonce was used");
        world.opened(&self.agent, 1).await;
        assert_eq!(world.created(&[subject]).await, (1, 3));
        assert_eq!(world.nonce().await, self.first_nonce + 2, "nonces are dense");
        self.agent.stop().await;
    }
}

/// One broadcast after the other goes as scripted, and nothing is signed anew.
async fn scripted(backend: Backend, turns: impl IntoIterator<Item = Turn>) {
    let scene = Scene::new(backend, |_| {}).await;
    scene.script(turns);
    let subject = scene.open().await;
    scene.ends_well(subject, 1).await;
}

async fn refused_before_a_byte_left(backend: Backend) {
    let scene = Scene::new(backend, |world| {
        world.network.rpc_urls.insert(0, SecretString::from("http://127.0.0.1:1".to_owned()));
    })
    .await;
    let subject = scene.open().await;
    let facts = scene.world.until("it is sent", |facts| count_of(facts, "Broadcast", &[subject]) == 1).await;
    let told = facts.iter().rev().find_map(|fact| match fact {
        Fact::Broadcast { provider, answer, .. } => Some((provider.clone(), answer.clone())),
        _ => None,
    });
    let label = scene.relay.url.trim_start_matches("http://").to_owned();
    assert_eq!(told, Some((label, "accepted".to_owned())), "another endpoint took it at once");
    scene.ends_well(subject, 1).await;
}

async fn lost_and_mined(backend: Backend) {
    scripted(backend, [Turn::PassThenHang]).await;
}

async fn lost_and_not_mined(backend: Backend) {
    scripted(backend, [Turn::Hang, Turn::Hang]).await;
}

async fn throttled(backend: Backend) {
    scripted(backend, [Turn::Throttle(1), Turn::Throttle(1)]).await;
}

async fn a_gateway_that_gave_up(backend: Backend) {
    scripted(backend, [Turn::Status(502), Turn::Status(504)]).await;
}

async fn known_already(backend: Backend) {
    scripted(backend, [Turn::PassThenError(-32_000, "already known")]).await;
}

async fn nonce_too_low_and_ours(backend: Backend) {
    scripted(backend, [Turn::PassThenError(-32_000, "nonce too low: next nonce 9, tx nonce 8")]).await;
}

async fn nonce_too_high(backend: Backend) {
    let high = || Turn::Error(-32_000, "nonce too high");
    scripted(backend, [high(), high(), high()]).await;
}

async fn unheard_of_and_mined(backend: Backend) {
    scripted(backend, [Turn::PassThenError(-31_999, "the moon is in the wrong phase")]).await;
}

async fn unheard_of_and_not_mined(backend: Backend) {
    scripted(backend, [Turn::Error(-31_999, "the moon is in the wrong phase")]).await;
}

async fn underpriced(backend: Backend) {
    let scene = Scene::new(backend, |_| {}).await;
    let cheap = || Turn::Error(-32_000, "transaction underpriced: gas tip cap 0, minimum needed 1");
    let mut refused: Option<Value> = None;
    scene.relay.hook(move |method, params| match method {
        // These bytes stay too cheap; only dearer ones are taken.
        "eth_sendRawTransaction" if refused.as_ref().is_none_or(|refused| refused == params) => {
            refused = Some(params.clone());
            cheap()
        }
        _ => Turn::Pass,
    });
    let subject = scene.open().await;
    scene.ends_well(subject, 2).await;
}

async fn replacement_underpriced(backend: Backend) {
    let scene = Scene::new(backend, |world| world.config.bump_after_ms = 400).await;
    let mut times = 0;
    scene.relay.hook(move |method, _| match method {
        "eth_sendRawTransaction" => {
            times += 1;
            match times {
                1 => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
                2..=6 => Turn::Error(-32_000, "replacement transaction underpriced"),
                _ => Turn::Pass,
            }
        }
        _ => Turn::Pass,
    });
    let subject = scene.open().await;
    scene.world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    let signed = scene.signed(subject).await;
    assert!(signed.len() >= 2, "{signed:?}");
    let raised = |old: u128, new: u128| new * 10 >= old * 11;
    assert!(signed.windows(2).all(|pair| raised(pair[0].1, pair[1].1) && raised(pair[0].2, pair[1].2)), "{signed:?}");
    let transactions = hashes(&scene.world.facts_of(subject).await).len();
    scene.ends_well(subject, transactions).await;
}

const CAP_WEI: u64 = 20_000_000_000;

async fn over_the_fee_cap_in_flight(backend: Backend) {
    let scene = Scene::new(backend, |world| {
        world.config = Config { fee_cap_wei: Some(CAP_WEI), bump_after_ms: 300, ..world.config.clone() };
    })
    .await;
    // Signed while the price is low, so that the cap only stops its replacement.
    scene.relay.hook(|method, _| match method {
        "eth_sendRawTransaction" => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
        _ => Turn::Pass,
    });
    let subject = scene.open().await;
    scene.world.until("it is sent", |facts| count_of(facts, "Broadcast", &[subject]) == 1).await;
    scene.relay.hook(|method, params| match method {
        "eth_sendRawTransaction" => Turn::Result(json!(format!("0x{}", "ab".repeat(32)))),
        "eth_getBlockByNumber" if params[0] == "latest" => {
            Turn::Change(|block| block["baseFeePerGas"] = json!("0xba43b7400"))
        }
        _ => Turn::Pass,
    });
    scene.world.until_paused(Some("fee_cap")).await;
    let signed = scene.signed(subject).await;
    assert!(signed.iter().all(|(_, max_fee, _)| *max_fee <= u128::from(CAP_WEI)), "{signed:?}");
    scene.relay.hook(|_, _| Turn::Pass);
    scene.world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    scene.world.until_paused(None).await;
    let transactions = hashes(&scene.world.facts_of(subject).await).len();
    scene.ends_well(subject, transactions).await;
}

async fn no_funds_at_the_node(backend: Backend) {
    let scene = Scene::new(backend, |_| {}).await;
    scene.relay.hook(|method, _| match method {
        "eth_sendRawTransaction" => Turn::Error(-32_000, "insufficient funds for gas * price + value: balance 0"),
        _ => Turn::Pass,
    });
    let subject = scene.open().await;
    scene.world.until_paused(Some("insufficient_funds")).await;
    let lane = scene.world.lane().await;
    assert!(lane.paused_at.is_some() && lane.in_flight == 1, "{lane:?}");
    scene.relay.hook(|_, _| Turn::Pass);
    scene.world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    scene.world.until_paused(None).await;
    scene.ends_well(subject, 1).await;
}

async fn a_full_pool(backend: Backend) {
    let scene = Scene::new(backend, |world| world.config.window_max = 8).await;
    let full = || Turn::Error(-32_000, "txpool is full");
    scene.script([full(), full(), full()]);
    let subject = scene.open().await;
    scene.world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    // The window is written down with the next nonce: 8, 4, 2, 1, and one more for what was mined.
    scene.world.opened(&scene.agent, 1).await;
    let shrunk = scene.world.lane().await.window;
    assert!(shrunk <= 3, "it shrank to {shrunk}");
    for _ in 0..8 {
        scene.world.opened(&scene.agent, 1).await;
    }
    assert_eq!(scene.world.lane().await.window, 8, "it grows with what is mined");
    assert_eq!(hashes(&scene.world.facts_of(subject).await).len(), 1);
    assert_eq!(scene.world.nonce().await, scene.first_nonce + 10, "nonces are dense");
    scene.agent.stop().await;
}

async fn reverts_when_tried(backend: Backend) {
    let scene = Scene::new(backend, |_| {}).await;
    let bad = Uuid::now_v7();
    let open = scene.world.open(bad);
    let terms = open.terms.map(|terms| DealTerms { amount: U256::ZERO, ..terms });
    scene.world.request(&[Request { terms, ..open }]).await;
    scene.agent.waker.wake();
    let facts = scene.world.until("it fails", |facts| count_of(facts, "Failed", &[bad]) == 1).await;
    let code = facts.iter().find_map(|fact| match fact {
        Fact::Failed { code, retryable, .. } => Some((code.clone(), *retryable)),
        _ => None,
    });
    assert_eq!(code, Some(("InvalidAmount".to_owned(), false)));
    assert_eq!(count_of(&facts, "Signed", &[bad]), 0, "it took no nonce");
    let subject = scene.open().await;
    scene.ends_well(subject, 1).await;
}

async fn nonce_too_low_and_a_strangers(backend: Backend) {
    let scene = Scene::new(backend, |_| {}).await;
    scene.relay.hook(|method, _| if method == "eth_sendRawTransaction" { Turn::Status(503) } else { Turn::Pass });
    let subject = scene.open().await;
    scene.world.until("it is signed", |facts| count_of(facts, "Signed", &[subject]) == 1).await;
    let owner = scene.world.owner().await;
    owner.transfer(scene.world.payer.address(), U256::from(1)).await.expect("takes the nonce");
    scene.relay.hook(|_, _| Turn::Pass);
    let chain = scene.world.node.devchain.clone().expect("the development chain");
    let mine = |facts: &[Fact]| {
        chain.mine(1).expect("mines");
        count_of(facts, "DealOpened", &[subject]) == 1
    };
    scene.world.until("it is open", mine).await;
    let signed = scene.signed(subject).await;
    let nonces: Vec<u64> = signed.iter().map(|(nonce, ..)| *nonce).collect();
    assert_eq!(nonces, [scene.first_nonce, scene.first_nonce + 1], "the first can never be mined");
    assert_eq!(scene.world.created(&[subject]).await.0, 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    scene.world.opened(&scene.agent, 1).await;
    assert_eq!(scene.world.nonce().await, scene.first_nonce + 3, "nonces are dense");
    scene.agent.stop().await;
}
