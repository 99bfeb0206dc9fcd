//! A canceled deal whose payer cannot take the deposit back: the diamond keeps it.

use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use chain::{Config, Fact, HeldReturn, Kind, Request};
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    relay::Turn,
    world::{AMOUNT, Running, World, count_of, on_each_database},
};

on_each_database!(
    what_the_payer_cannot_take_back_is_told_as_kept,
    a_withdrawal_whose_log_comes_late_has_its_transaction,
    what_is_kept_is_told_although_nobody_saw_the_event,
    what_is_kept_is_told_from_the_contract_alone,
);

/// Reverts whatever it is called with.
const REFUSES: &str = "0x60006000fd";

async fn set_code(world: &World, at: Address, code: &str) {
    world.node.rpc("anvil_setCode", json!([at, code])).await;
}

fn held(facts: &[Fact], subject: Uuid) -> Vec<(U256, Option<HeldReturn>)> {
    facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Canceled { subject_id, returned, held, .. } if *subject_id == subject => Some((*returned, *held)),
            _ => None,
        })
        .collect()
}

/// A deal in this coin that is paid and then canceled while its payer refuses the money. Whoever refuses may take it
/// again afterwards.
async fn refused(world: &World, agent: &Running, token: Address) -> Uuid {
    let subject = Uuid::now_v7();
    let terms = chain::DealTerms { token, ..world.terms() };
    world.request(&[Request { terms: Some(terms), ..world.ask(subject, Kind::Open) }]).await;
    agent.waker.wake();
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.deposit(subject).await;
    world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    let refusing = if token.is_zero() { world.payer.address() } else { token };
    let code = world.node.rpc("eth_getCode", json!([refusing, "latest"])).await;
    set_code(world, refusing, REFUSES).await;
    world.request(&[world.ask(subject, Kind::Cancel)]).await;
    agent.waker.wake();
    world.until("it is canceled", |facts| count_of(facts, "Canceled", &[subject]) == 1).await;
    set_code(world, refusing, code.as_str().expect("code")).await;
    subject
}

async fn withdraw(world: &World, token: Address) {
    let selector = &keccak256("withdraw(address,address)")[..4];
    let input = [selector, &(token, Address::repeat_byte(0xcc)).abi_encode()].concat();
    world.payer.call(world.diamond, U256::ZERO, Bytes::from(input)).await.expect("withdraws");
}

async fn what_the_payer_cannot_take_back_is_told_as_kept(backend: Backend) {
    let mut world = World::new(Node::anvil(&[]), backend).await;
    world.config = Config { reconcile_interval_ms: 300, ..world.config };
    let agent = world.start();
    for token in [Address::ZERO, world.token] {
        let subject = refused(&world, &agent, token).await;
        let kept = HeldReturn { payer: world.payer.address(), token };
        assert_eq!(held(&world.facts().await, subject), [(U256::from(AMOUNT), Some(kept))]);
        withdraw(&world, token).await;
        let facts =
            world.until("the payer has taken it", |facts| count_of(facts, "HeldReturnTaken", &[subject]) == 1).await;
        let taken = facts.iter().find_map(|fact| match fact {
            Fact::HeldReturnTaken { subject_id, payer, token, amount, evidence } if *subject_id == subject => {
                Some((HeldReturn { payer: *payer, token: *token }, *amount, evidence.hash))
            }
            _ => None,
        });
        let (by, amount, hash) = taken.expect("it is told");
        assert!((by, amount) == (kept, U256::from(AMOUNT)) && hash.is_some());
    }
    agent.stop().await;
}

/// The node shows that the money is gone, and cannot say in which transaction the first two times.
async fn a_withdrawal_whose_log_comes_late_has_its_transaction(backend: Backend) {
    let mut world = World::new(Node::anvil(&[]), backend).await;
    let relay = world.behind_a_relay().await;
    world.config = Config { reconcile_interval_ms: 300, ..world.config };
    let asked = AtomicUsize::new(0);
    let withdrawn = json!(keccak256("Withdrawn(address,address,uint256)"));
    relay.hook(move |method, params| {
        if method != "eth_getLogs" || params[0]["topics"][0] != withdrawn {
            return Turn::Pass;
        }
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Turn::Error(-32_000, "the range is not indexed yet"),
            1 => Turn::Result(json!([])),
            _ => Turn::Pass,
        }
    });
    let agent = world.start();
    let subject = refused(&world, &agent, Address::ZERO).await;
    withdraw(&world, Address::ZERO).await;
    let facts =
        world.until("the payer has taken it", |facts| count_of(facts, "HeldReturnTaken", &[subject]) == 1).await;
    let taken = |fact: &Fact| matches!(fact, Fact::HeldReturnTaken { evidence, .. } if evidence.hash.is_some());
    assert!(facts.iter().any(taken), "{facts:?}");
    agent.stop().await;
}

async fn what_is_kept_is_told_although_nobody_saw_the_event(backend: Backend) {
    missed(backend, false).await;
}

async fn what_is_kept_is_told_from_the_contract_alone(backend: Backend) {
    missed(backend, true).await;
}

/// The blocks' logs are hidden, and those of a range, which the reconciliation asks for, if `all`.
async fn missed(backend: Backend, all: bool) {
    let mut world = World::new(Node::anvil(&[]), backend).await;
    let relay = world.behind_a_relay().await;
    world.config = Config { reconcile_interval_ms: 300, ..world.config };
    relay.hook(move |method, params| {
        let hidden = method == "eth_getLogs" && (all || params[0].get("blockHash").is_some());
        if hidden { Turn::Result(json!([])) } else { Turn::Pass }
    });
    let agent = world.start();
    let subject = refused(&world, &agent, Address::ZERO).await;
    let kept = HeldReturn { payer: world.payer.address(), token: Address::ZERO };
    assert_eq!(held(&world.facts().await, subject), [(U256::from(AMOUNT), Some(kept))]);
    let hashes: Vec<Option<B256>> = world
        .facts_of(subject)
        .await
        .iter()
        .filter_map(|fact| match fact {
            Fact::Canceled { evidence, .. } => Some(evidence.hash),
            _ => None,
        })
        .collect();
    assert_eq!(hashes[0].is_some(), !all);
    agent.stop().await;
}
