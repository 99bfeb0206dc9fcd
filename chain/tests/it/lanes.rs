//! Signers: their funds, fees and nonces.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use chain::{Account, AttemptKind, Config, Fact, Kind, Request};
use devchain::BlockTime;
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::Turn,
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(
    waits_for_funds_and_goes_on,
    waits_for_its_key,
    a_key_file_that_does_not_open_is_visible,
    waits_for_a_lower_price,
    what_stays_unmined_gets_higher_fees,
    what_no_node_takes_gives_way_to_a_noop,
    a_nonce_that_a_stranger_took_is_done_again,
    what_reverts_when_mined_fails_by_name,
    a_batch_that_reverts_when_mined_spares_the_good,
    two_signers_work_side_by_side,
    a_lane_without_funds_is_helped,
    who_may_not_act_takes_nothing_over,
    a_full_pool_makes_it_patient,
    a_count_that_was_overstated_is_made_up_for,
);

async fn on_devchain(backend: Backend) -> World {
    World::new(Node::devchain(BlockTime::Instant).await, backend).await
}

async fn waits_for_funds_and_goes_on(backend: Backend) {
    let world = on_devchain(backend).await;
    let owner = world.owner().await;
    let balance = owner.balance(Address::ZERO, world.signer).await.expect("answers");
    let ether = U256::from(10).pow(U256::from(18));
    owner.transfer(world.payer.address(), balance - ether / U256::from(10_000)).await.expect("drains");
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("insufficient_funds")).await;
    assert_eq!(count_of(&world.facts().await, "Failed", &[subject]), 0);
    world.payer.transfer(world.signer, ether).await.expect("funds");
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.until_paused(None).await;
    agent.stop().await;
}

async fn waits_for_its_key(backend: Backend) {
    let world = on_devchain(backend).await;
    let agent = world.start();
    let key = alloy::signers::local::PrivateKeySigner::random();
    let subject = Uuid::now_v7();
    world.payer.transfer(key.address(), U256::from(10).pow(U256::from(18))).await.expect("funds");
    appoint(&world, key.address()).await;
    world.request(&[Request { signer: key.address(), ..world.open(subject) }]).await;
    agent.waker.wake();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lanes = chain::status(&world.database.db).await.expect("answers");
    let lane = lanes.iter().find(|lane| lane.signer == key.address()).expect("a lane");
    assert_eq!((lane.paused_reason.as_deref(), lane.pending), (Some("no_key"), 1));
    let secret = secrecy::SecretString::from(alloy::hex::encode(key.to_bytes()));
    assert_eq!(world.keystore.import(&secret).await.expect("imports"), key.address());
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    agent.stop().await;
}

async fn a_key_file_that_does_not_open_is_visible(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let right = world.keystore.clone();
    world.keystore = world.keystore_with("another password");
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("key_locked")).await;
    let mut health = agent.health.clone();
    let told = health.wait_for(|health| health.lanes.contains_key(&world.signer));
    let told =
        tokio::time::timeout(Duration::from_secs(90), told).await.expect("within 90 s").expect("it runs").clone();
    assert!(told.lanes[&world.signer].contains("does not open"), "{told:?}");
    agent.stop().await;
    world.keystore = right;
    let agent = world.start();
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.until_paused(None).await;
    assert!(agent.health.borrow().lanes.is_empty());
    agent.stop().await;
}

/// Lets another account create, cancel and release deals.
pub(crate) async fn appoint(world: &World, operator: Address) {
    appoint_by(&world.owner().await, world.diamond, operator).await;
}

async fn appoint_by(owner: &Account, diamond: Address, operator: Address) {
    let selector = &keccak256("setOperator(address,bool)")[..4];
    let input = [selector, operator.into_word().as_slice(), B256::with_last_byte(1).as_slice()].concat();
    owner.call(diamond, U256::ZERO, Bytes::from(input)).await.expect("appoints");
}

async fn waits_for_a_lower_price(backend: Backend) {
    let mut world = World::new(Node::anvil(&[]), backend).await;
    world.config = Config { fee_cap_wei: Some(20_000_000_000), ..world.config };
    let set_price = async |wei: u64| {
        world.node.rpc("anvil_setNextBlockBaseFeePerGas", json!([format!("{wei:#x}")])).await;
        world.node.rpc("anvil_mine", json!(["0x1"])).await;
    };
    set_price(50_000_000_000).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("fee_cap")).await;
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 0, "it took no nonce");
    set_price(1_000_000_000).await;
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    let fees = facts.iter().find_map(|fact| match fact {
        Fact::Signed { max_fee_per_gas, .. } => Some(*max_fee_per_gas),
        _ => None,
    });
    assert!(fees.expect("signed") <= 20_000_000_000);
    world.until_paused(None).await;
    agent.stop().await;
}

async fn what_stays_unmined_gets_higher_fees(backend: Backend) {
    let mut world = World::new(Node::anvil(&[]), backend).await;
    world.config = Config { bump_after_ms: 400, ..world.config };
    let agent = world.start();
    world.opened(&agent, 1).await;
    world.node.rpc("evm_setAutomine", json!([false])).await;
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    let signed = |facts: &[Fact]| -> Vec<(AttemptKind, u64, u128)> {
        facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Signed { subject_id, attempt_kind, nonce, max_fee_per_gas, .. } if *subject_id == subject => {
                    Some((*attempt_kind, *nonce, *max_fee_per_gas))
                }
                _ => None,
            })
            .collect()
    };
    let facts = world.until("it is raised twice", |facts| signed(facts).len() >= 3).await;
    let attempts = signed(&facts);
    assert_eq!((attempts[0].0, attempts[1].0), (AttemptKind::Call, AttemptKind::Bump));
    assert!(attempts.windows(2).all(|pair| pair[0].1 == pair[1].1 && pair[1].2 * 10 >= pair[0].2 * 11));
    world.node.rpc("evm_setAutomine", json!([true])).await;
    world.node.rpc("anvil_mine", json!(["0x1"])).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.until("a receipt is found", |facts| count_of(facts, "Mined", &[subject]) == 1).await;
    // The nonces go on where they should.
    world.opened(&agent, 1).await;
    agent.stop().await;
}

async fn what_no_node_takes_gives_way_to_a_noop(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let mut refused: Option<serde_json::Value> = None;
    relay.hook(move |method, params| match method {
        "eth_sendRawTransaction" if refused.as_ref().is_none_or(|refused| refused == params) => {
            refused = Some(params.clone());
            Turn::Error(-32_000, "intrinsic gas too low")
        }
        _ => Turn::Pass,
    });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    let facts = world.until("it fails", |facts| count_of(facts, "Failed", &[subject]) == 1).await;
    let kinds: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Signed { subject_id, attempt_kind, .. } if *subject_id == subject => Some(*attempt_kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [AttemptKind::Call, AttemptKind::Noop]);
    let failure = facts.iter().find_map(|fact| match fact {
        Fact::Failed { code, message, hash, retryable, .. } => Some((code.clone(), message.clone(), *hash, *retryable)),
        _ => None,
    });
    let (code, message, hash, retryable) = failure.expect("a failure");
    assert_eq!((code.as_str(), retryable, hash.is_some()), ("rejected", true, true));
    assert!(message.contains("intrinsic gas too low"), "{message}");
    assert_eq!(count_of(&facts, "DealOpened", &[subject]), 0, "a no-op is no success");
    relay.hook(|_, _| Turn::Pass);
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    agent.stop().await;
}

async fn a_nonce_that_a_stranger_took_is_done_again(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    relay.hook(|method, _| match method {
        "eth_sendRawTransaction" => Turn::Status(503),
        _ => Turn::Pass,
    });
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is signed", |facts| count_of(facts, "Signed", &[subject]) == 1).await;
    let owner = world.owner().await;
    owner.transfer(world.payer.address(), U256::from(1)).await.expect("takes the nonce");
    relay.hook(|_, _| Turn::Pass);
    // With each confirmation on top it is more certain that the first can never be mined.
    let chain = world.node.devchain.clone().expect("the development chain");
    let facts = world
        .until("it is open", |facts| {
            chain.mine(1).expect("mines");
            count_of(facts, "DealOpened", &[subject]) == 1
        })
        .await;
    assert_eq!(count_of(&facts, "Failed", &[subject]), 0);
    let of_subject: Vec<Fact> = facts.into_iter().filter(|fact| fact.subject_id() == subject).collect();
    assert_eq!(hashes(&of_subject).len(), 2, "the first can never be mined");
    assert_eq!(world.created(&[subject]).await.0, 1);
    agent.stop().await;
}

/// Opens that expire between their trial and their block.
async fn late(world: &mut World, count: usize, expiring: usize) -> (Vec<Uuid>, Vec<Fact>) {
    let relay = world.behind_a_relay().await;
    world.config = Config { rpc_timeout_ms: 5_000, expiry_margin_ms: 0, ..world.config.clone() };
    let agent = world.start();
    world.opened(&agent, 1).await;
    let mut held = false;
    relay.hook(move |method, _| match method {
        "eth_sendRawTransaction" if !held => {
            held = true;
            Turn::Late(Duration::from_millis(1_000))
        }
        _ => Turn::Pass,
    });
    let subjects: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
    let head = world.node.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
    let time = head["timestamp"].as_str().and_then(|time| u64::from_str_radix(time.trim_start_matches("0x"), 16).ok());
    let soon = time.expect("a time").max(u64::try_from(chrono::Utc::now().timestamp()).expect("after 1970")) + 5;
    let requests = subjects.iter().enumerate().map(|(index, subject)| {
        let mut request = world.open(*subject);
        if index < expiring {
            request.terms = request.terms.map(|terms| chain::DealTerms { expires_at: soon, ..terms });
        }
        request
    });
    world.request(&requests.collect::<Vec<_>>()).await;
    agent.waker.wake();
    world.until("all are signed", |facts| count_of(facts, "Signed", &subjects) == count).await;
    world.node.devchain.as_ref().expect("the development chain").mine(7).expect("mines");
    let facts = world
        .until("all have ended", |facts| {
            count_of(facts, "Failed", &subjects) == expiring
                && count_of(facts, "DealOpened", &subjects) == count - expiring
        })
        .await;
    agent.stop().await;
    (subjects, facts)
}

fn failed(facts: &[Fact]) -> Vec<(Kind, String, bool, bool)> {
    facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Failed { kind, code, retryable, hash, .. } => Some((*kind, code.clone(), *retryable, hash.is_some())),
            _ => None,
        })
        .collect()
}

async fn what_reverts_when_mined_fails_by_name(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let (subjects, facts) = late(&mut world, 1, 1).await;
    assert_eq!(failed(&facts), [(Kind::Open, "InvalidExpiry".to_owned(), false, true)]);
    let mined = facts.iter().find_map(|fact| match fact {
        Fact::Mined { subject_id, success, .. } if *subject_id == subjects[0] => Some(*success),
        _ => None,
    });
    assert_eq!(mined, Some(false));
}

async fn a_batch_that_reverts_when_mined_spares_the_good(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let (subjects, facts) = late(&mut world, 6, 2).await;
    let expected = (Kind::Open, "InvalidExpiry".to_owned(), false, false);
    assert_eq!(failed(&facts), [expected.clone(), expected]);
    assert_eq!(world.created(&subjects).await.0, 4);
}

async fn two_signers_work_side_by_side(backend: Backend) {
    let world = on_devchain(backend).await;
    let second = world.keystore.generate().await.expect("a key");
    world.payer.transfer(second, U256::from(10).pow(U256::from(19))).await.expect("funds");
    appoint(&world, second).await;
    let agent = world.start();
    let subjects: Vec<Uuid> = (0..60).map(|_| Uuid::now_v7()).collect();
    let requests = subjects.iter().enumerate().map(|(index, subject)| {
        let signer = if index % 2 == 0 { world.signer } else { second };
        Request { signer, ..world.open(*subject) }
    });
    world.request(&requests.collect::<Vec<_>>()).await;
    agent.waker.wake();
    let facts = world.until("all are open", |facts| count_of(facts, "DealOpened", &subjects) == 60).await;
    assert_eq!(hashes(&facts).len(), 2);
    assert_eq!(world.created(&subjects).await, (60, 60));
    agent.stop().await;
}

/// A diamond whose signer is poor, and a second signer that is not. The agent knows of both.
async fn poor_and_rich(backend: Backend) -> (World, Address) {
    let mut world = on_devchain(backend).await;
    let second = world.keystore.generate().await.expect("a key");
    world.payer.transfer(second, U256::from(10).pow(U256::from(19))).await.expect("funds");
    world.config.signers = vec![second];
    (world, second)
}

async fn drain(world: &World) {
    let owner = world.owner().await;
    let balance = owner.balance(Address::ZERO, world.signer).await.expect("answers");
    let left = U256::from(10).pow(U256::from(14));
    owner.transfer(world.payer.address(), balance - left).await.expect("drains");
}

async fn a_lane_without_funds_is_helped(backend: Backend) {
    let (world, second) = poor_and_rich(backend).await;
    appoint(&world, second).await;
    drain(&world).await;
    let before = world.nonce().await;
    let agent = world.start();
    let subjects = world.opened(&agent, 30).await;
    assert_eq!(world.created(&subjects).await, (30, 30));
    // Having nothing left to do pays for nothing.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(world.lane().await.paused_reason.as_deref(), Some("insufficient_funds"));
    assert_eq!(world.nonce().await, before, "the poor one sent nothing");
    let facts = world.facts().await;
    assert_eq!((count_of(&facts, "Failed", &subjects), count_of(&facts, "Signed", &subjects)), (0, 30));

    // What the helper sent is followed, canceled and paid for by it; funded again, the first goes on by itself.
    world.request(&[world.ask(subjects[0], Kind::Cancel)]).await;
    agent.waker.wake();
    world.until("it is canceled", |facts| count_of(facts, "Canceled", &subjects) == 1).await;
    world.payer.transfer(world.signer, U256::from(10).pow(U256::from(18))).await.expect("funds");
    world.opened(&agent, 1).await;
    agent.stop().await;
}

async fn who_may_not_act_takes_nothing_over(backend: Backend) {
    let (world, second) = poor_and_rich(backend).await;
    // Whoever appoints later must have the means to.
    appoint(&world, world.signer).await;
    let input = [&keccak256("transferOwnership(address)")[..4], world.payer.address().into_word().as_slice()].concat();
    world.owner().await.call(world.diamond, U256::ZERO, Bytes::from(input)).await.expect("hands it over");
    let accept = Bytes::from(keccak256("acceptOwnership()")[..4].to_vec());
    world.payer.call(world.diamond, U256::ZERO, accept).await.expect("takes it over");
    drain(&world).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("insufficient_funds")).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let facts = world.facts().await;
    assert_eq!((count_of(&facts, "Failed", &[subject]), count_of(&facts, "Signed", &[subject])), (0, 0));
    let lane = world.lane().await;
    assert_eq!((lane.pending, lane.in_flight), (1, 0), "it waits");
    appoint_by(&world.payer, world.diamond, second).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn a_full_pool_makes_it_patient(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    let agent = world.start();
    let mut times = 0;
    relay.hook(move |method, _| match method {
        "eth_sendRawTransaction" if times < 4 => {
            times += 1;
            Turn::Error(-32_000, "txpool is full")
        }
        _ => Turn::Pass,
    });
    let subject = world.opened(&agent, 1).await[0];
    let facts = world.facts_of(subject).await;
    assert_eq!((hashes(&facts).len(), count_of(&facts, "Failed", &[subject])), (1, 0));
    agent.stop().await;
}

async fn a_count_that_was_overstated_is_made_up_for(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let relay = world.behind_a_relay().await;
    relay.hook(|method, _| match method {
        "eth_getTransactionCount" => Turn::Result(json!("0x5")),
        _ => Turn::Pass,
    });
    let agent = world.start();
    let subjects = [Uuid::now_v7(), Uuid::now_v7()];
    world.request(&[world.open(subjects[0])]).await;
    agent.waker.wake();
    world.until("it is sent", |facts| count_of(facts, "Broadcast", &subjects) == 1).await;
    relay.hook(|_, _| Turn::Pass);
    let chain = world.node.devchain.clone().expect("the development chain");
    let facts = world
        .until("it is open", |facts| {
            chain.mine(1).expect("mines");
            count_of(facts, "DealOpened", &subjects[..1]) == 1
        })
        .await;
    assert_eq!(hashes(&facts).len(), 1, "it was signed anew");
    let count = world.node.rpc("eth_getTransactionCount", json!([world.signer, "latest"])).await;
    assert_eq!(count, "0x6", "nonces are dense");
    world.request(&[world.open(subjects[1])]).await;
    agent.waker.wake();
    world.until("so is the next", |facts| count_of(facts, "DealOpened", &subjects) == 2).await;
    agent.stop().await;
}
