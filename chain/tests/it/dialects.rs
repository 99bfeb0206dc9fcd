//! A diamond that somebody else has written, with other functions, events, states and errors than ours, driven by configuration.

use alloy::{
    primitives::{Address, Bytes, U256, hex},
    sol,
    sol_types::SolCall,
};
use chain::{Config, DealTerms, DialectConfig, Fact, Kind};
use devchain::BlockTime;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{AMOUNT, World, count_of, on_each_database},
};

sol! {
    function lock(address seller, address asset, uint40 deadline, bytes32 key, uint96 price) external;
    function fund(uint96 price, bytes32 key) external payable;
}

const ESCROWS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/tests/artifacts/EscrowDiamond.bin"));

on_each_database!(
    somebody_elses_diamond_is_driven_by_configuration,
    what_was_opened_there_before_is_found,
    a_deal_there_with_other_terms_is_not_ours,
    who_may_not_act_there_waits,
    what_it_cannot_be_told_fails_alone,
    a_policy_knows_what_its_functions_do,
);

fn dialect(diamond: Address, chain_id: u64) -> DialectConfig {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/tests/escrows.json"));
    let mut config: serde_json::Value = serde_json::from_str(text).expect("JSON");
    config["chain_id"] = chain_id.into();
    config["diamonds"] = serde_json::json!([diamond]);
    serde_json::from_value(config).expect("a dialect")
}

/// A world whose diamond is somebody else's, whose creator alone acts there: the signer, or another.
async fn world(backend: Backend, signer_acts: bool) -> World {
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    let creation = Bytes::from(hex::decode(ESCROWS.trim()).expect("digits"));
    let owner = world.owner().await;
    let creator = if signer_acts { &owner } else { &world.payer };
    world.diamond = creator.deploy(creation).await.expect("a diamond");
    let dialect = dialect(world.diamond, world.network.chain_id);
    world.config = Config { dialects: vec![dialect], reconcile_interval_ms: 300, ..world.config };
    assert_eq!(world.config.mistakes(), Vec::<String>::new());
    world
}

async fn fund(world: &World, subject: Uuid) {
    world.payer.approve(world.token, world.diamond, U256::from(AMOUNT)).await.expect("approves");
    let price = AMOUNT.try_into().expect("fits");
    let call = fundCall { price, key: chain::reference(subject) };
    world.payer.call(world.diamond, U256::ZERO, Bytes::from(call.abi_encode())).await.expect("funds");
}

/// Opens a subject's deal there as the agent would, before the agent does.
async fn locked(world: &World, subject: Uuid, terms: &DealTerms) {
    let call = lockCall {
        seller: terms.payee,
        asset: terms.token,
        deadline: terms.expires_at.try_into().expect("fits"),
        key: chain::reference(subject),
        price: alloy::primitives::Uint::from(terms.amount),
    };
    let input = Bytes::from(call.abi_encode());
    world.owner().await.call(world.diamond, U256::ZERO, input).await.expect("opens it");
}

async fn somebody_elses_diamond_is_driven_by_configuration(backend: Backend) {
    let mut world = world(backend, true).await;
    // A second endpoint has to bear out what becomes final.
    let own = world.network.rpc_urls.clone();
    let relay = world.behind_a_relay().await;
    world.network.rpc_urls.extend(own);
    let agent = world.start();
    let subjects = world.opened(&agent, 5).await;
    for subject in &subjects[..2] {
        fund(&world, *subject).await;
    }
    world.until("two are paid", |facts| count_of(facts, "DepositFinal", &subjects) == 2).await;
    agent.kill().await;
    let acts = [Kind::Release, Kind::Cancel, Kind::Cancel];
    let asked: Vec<_> = subjects.iter().zip(acts).map(|(subject, kind)| world.ask(*subject, kind)).collect();
    world.request(&asked).await;
    let agent = world.start();
    let facts = world
        .until("all are done", |facts| {
            (count_of(facts, "Released", &subjects), count_of(facts, "Canceled", &subjects)) == (1, 2)
        })
        .await;
    let returned: Vec<U256> = [subjects[1], subjects[2]]
        .iter()
        .filter_map(|subject| {
            facts.iter().find_map(|fact| match fact {
                Fact::Canceled { subject_id, returned, held: None, .. } if subject_id == subject => Some(*returned),
                _ => None,
            })
        })
        .collect();
    assert_eq!(returned, [U256::from(AMOUNT), U256::ZERO]);
    // Its event does not say how much.
    let released = facts.iter().find_map(|fact| match fact {
        Fact::Released { amount, .. } => Some(*amount),
        _ => None,
    });
    assert_eq!(released, Some(U256::from(AMOUNT)));
    let balance = async |of| world.payer.balance(world.token, of).await.expect("answers");
    assert_eq!(balance(world.terms().payee).await, U256::from(AMOUNT));
    assert_eq!(balance(world.diamond).await, U256::ZERO);
    assert_eq!(count_of(&facts, "Failed", &subjects), 0);
    assert!(!relay.seen("eth_call").is_empty() && !relay.seen("eth_getLogs").is_empty(), "it was asked");
    agent.stop().await;
}

async fn what_was_opened_there_before_is_found(backend: Backend) {
    let world = world(backend, true).await;
    let subject = Uuid::now_v7();
    let open = world.open(subject);
    locked(&world, subject, &open.terms.expect("terms")).await;
    fund(&world, subject).await;
    world.request(&[open]).await;
    let agent = world.start();
    let facts = world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "DealOpened", &[subject]), 1);
    let payers = facts.iter().filter_map(|fact| match fact {
        Fact::DepositFinal { payer, evidence, .. } => Some((*payer, evidence.hash.is_some())),
        _ => None,
    });
    assert_eq!(payers.collect::<Vec<_>>(), [(world.payer.address(), true)], "its log is found");
    agent.stop().await;
}

async fn a_deal_there_with_other_terms_is_not_ours(backend: Backend) {
    let world = world(backend, true).await;
    let subject = Uuid::now_v7();
    let open = world.open(subject);
    let terms = DealTerms { payee: Address::repeat_byte(0xee), ..open.terms.expect("terms") };
    locked(&world, subject, &terms).await;
    world.request(&[open]).await;
    let agent = world.start();
    let facts = world.until("it fails", |facts| count_of(facts, "Failed", &[subject]) == 1).await;
    assert_eq!((codes(&facts), count_of(&facts, "DealOpened", &[subject])), (vec!["deal_mismatch"], 0));
    agent.stop().await;
}

fn codes(facts: &[Fact]) -> Vec<&str> {
    let codes = facts.iter().filter_map(|fact| match fact {
        Fact::Failed { code, .. } => Some(code.as_str()),
        _ => None,
    });
    codes.collect()
}

async fn who_may_not_act_there_waits(backend: Backend) {
    let world = world(backend, false).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    let held = "SELECT COUNT(*) AS count FROM chain_operations WHERE held_back_by = 'not_operator'";
    let started = std::time::Instant::now();
    while world.row(held, vec![]).await.try_get::<i64>("", "count").expect("a number") == 0 {
        assert!(started.elapsed() < std::time::Duration::from_secs(120), "it is held back");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(count_of(&world.facts().await, "Failed", &[subject]), 0);
    agent.stop().await;
}

async fn what_it_cannot_be_told_fails_alone(backend: Backend) {
    let world = world(backend, true).await;
    let agent = world.start();
    let [huge, usual] = [Uuid::now_v7(), Uuid::now_v7()];
    let mut open = world.open(huge);
    open.terms.as_mut().expect("terms").amount = U256::from(1) << 96;
    world.request(&[open, world.open(usual)]).await;
    agent.waker.wake();
    let facts = world
        .until("one is open and one fails", |facts| {
            (count_of(facts, "DealOpened", &[usual]), count_of(facts, "Failed", &[huge])) == (1, 1)
        })
        .await;
    assert_eq!(codes(&facts), ["rejected"]);
    agent.stop().await;
}

async fn a_policy_knows_what_its_functions_do(backend: Backend) {
    let world = world(backend, true).await;
    world.register().await;
    world.set_policy("actions = $2", serde_json::json!(["open"]).into()).await;
    let agent = world.start();
    let subjects = world.opened(&agent, 1).await;
    world.request(&[world.ask(subjects[0], Kind::Cancel)]).await;
    agent.waker.wake();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(count_of(&world.facts().await, "Canceled", &subjects), 0, "it may only open");
    world.set_policy("actions = $2", serde_json::json!(["open", "cancel"]).into()).await;
    world.until("it is canceled", |facts| count_of(facts, "Canceled", &subjects) == 1).await;
    agent.stop().await;
}
