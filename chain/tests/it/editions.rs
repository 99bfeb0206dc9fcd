//! Diamonds of both editions: which one it is, ids that count up, and deals that others have made.

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol,
    sol_types::SolCall,
};
use chain::{Config, Deal, DealTerms, Edition, Fact, Kind, Request};
use devchain::BlockTime;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{AMOUNT, World, count_of, on_each_database},
};

sol! {
    function createDeal(
        uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
    ) external;
}

on_each_database!(
    a_diamond_of_the_first_edition_is_driven_as_before,
    ids_count_up,
    an_id_that_somebody_has_used_is_not_given_again,
    a_deal_under_our_id_with_another_reference_is_not_ours,
    our_deal_under_another_id_is_ours,
    our_reference_with_other_terms_is_not_our_deal,
    a_diamond_belongs_to_the_configured_owner,
    a_diamond_belongs_to_whom_it_was_asked_for,
);

async fn of(edition: Edition, backend: Backend) -> World {
    World::with(Node::devchain(BlockTime::Instant).await, backend, edition).await
}

/// The ids of these subjects' deals, in the order in which they were told.
fn ids(facts: &[Fact]) -> Vec<U256> {
    let opened = facts.iter().filter_map(|fact| match fact {
        Fact::DealOpened { deal_id, .. } => Some(*deal_id),
        _ => None,
    });
    opened.collect()
}

async fn a_diamond_of_the_first_edition_is_driven_as_before(backend: Backend) {
    let world = of(Edition::First, backend).await;
    let agent = world.start();
    let subjects = world.opened(&agent, 4).await;
    let mut told = ids(&world.facts().await);
    let mut expected: Vec<U256> = subjects.iter().map(|id| U256::from_be_bytes(chain::reference(*id).0)).collect();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);

    for subject in &subjects[..2] {
        world.deposit(*subject).await;
    }
    world.until("two are paid", |facts| count_of(facts, "DepositFinal", &subjects) == 2).await;
    let acts = [Kind::Release, Kind::Cancel, Kind::Cancel, Kind::Cancel];
    let asked: Vec<_> = subjects.iter().zip(acts).map(|(subject, kind)| world.ask(*subject, kind)).collect();
    world.request(&asked).await;
    agent.waker.wake();
    world
        .until("all are done", |facts| {
            (count_of(facts, "Released", &subjects), count_of(facts, "Canceled", &subjects)) == (1, 3)
        })
        .await;
    let payee = world.terms().payee;
    assert_eq!(world.payer.balance(world.token, payee).await.expect("answers"), U256::from(AMOUNT));
    agent.stop().await;
}

async fn ids_count_up(backend: Backend) {
    let world = of(Edition::Second, backend).await;
    let agent = world.start();
    world.opened(&agent, 5).await;
    world.opened(&agent, 1).await;
    agent.stop().await;
    let agent = world.start();
    world.opened(&agent, 3).await;
    let mut told = ids(&world.facts().await);
    told.sort_unstable();
    assert_eq!(told, (1..=9).map(U256::from).collect::<Vec<_>>());
    agent.stop().await;
}

/// Opens a deal as an operator of another installation would.
async fn created(world: &World, deal: &Deal) {
    let Deal { id, reference, terms: DealTerms { payee, token, amount, expires_at } } = *deal;
    let call = createDealCall { dealId: id, r#ref: reference, payee, token, amount, expiresAt: expires_at };
    world.payer.call(world.diamond, U256::ZERO, Bytes::from(call.abi_encode())).await.expect("opens it");
}

fn somebodys(world: &World, id: u64) -> Deal {
    Deal { id: U256::from(id), reference: keccak256("another installation's"), terms: world.terms() }
}

async fn an_id_that_somebody_has_used_is_not_given_again(backend: Backend) {
    let world = of(Edition::Second, backend).await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    created(&world, &somebodys(&world, 40)).await;
    // What is told of a later block is told after that one was read.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world.opened(&agent, 2).await;
    let mut told = ids(&world.facts().await);
    told.sort_unstable();
    assert_eq!(told, [1, 41, 42].map(U256::from));
    agent.stop().await;
}

async fn a_deal_under_our_id_with_another_reference_is_not_ours(backend: Backend) {
    let world = of(Edition::Second, backend).await;
    // Before the agent has ever looked.
    let other = somebodys(&world, 1);
    created(&world, &other).await;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    assert_eq!(world.deal(subject).await.id, other.id);
    world.payer.deposit(world.diamond, &other).await.expect("pays the other");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(count_of(&world.facts().await, "DepositSeen", &[subject]), 0);
    world.deposit(subject).await;
    world.until("ours is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    agent.stop().await;
}

/// A subject whose deal is on the chain already, with an id that this database knows nothing of.
async fn restored(backend: Backend, change: fn(DealTerms) -> DealTerms) -> (World, Uuid) {
    let mut world = of(Edition::Second, backend).await;
    world.config = Config { reconcile_interval_ms: 300, ..world.config };
    let subject = Uuid::now_v7();
    let open = world.open(subject);
    let terms = change(open.terms.expect("terms"));
    created(&world, &Deal { id: U256::from(77), reference: chain::reference(subject), terms }).await;
    world.request(&[open]).await;
    (world, subject)
}

async fn our_deal_under_another_id_is_ours(backend: Backend) {
    let (world, subject) = restored(backend, |terms| terms).await;
    let agent = world.start();
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(world.deal(subject).await.id, U256::from(77));
    world.deposit(subject).await;
    world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    world.request(&[world.ask(subject, Kind::Release)]).await;
    agent.waker.wake();
    world.until("it is released", |facts| count_of(facts, "Released", &[subject]) == 1).await;
    agent.stop().await;
}

async fn our_reference_with_other_terms_is_not_our_deal(backend: Backend) {
    let other = |terms: DealTerms| DealTerms { payee: Address::repeat_byte(0xee), ..terms };
    let (world, subject) = restored(backend, other).await;
    let agent = world.start();
    let facts = world.until("it fails", |facts| count_of(facts, "Failed", &[subject]) == 1).await;
    let codes = facts.iter().filter_map(|fact| match fact {
        Fact::Failed { code, .. } => Some(code.as_str()),
        _ => None,
    });
    assert_eq!(codes.collect::<Vec<_>>(), ["deal_mismatch"]);
    assert_eq!(count_of(&facts, "DealOpened", &[subject]), 0);
    agent.stop().await;
}

async fn a_diamond_belongs_to_the_configured_owner(backend: Backend) {
    let mut world = of(Edition::Second, backend).await;
    let cold = Address::repeat_byte(0xc0);
    world.config = Config { diamond_owner: Some(cold), ..world.config };
    deployed_for(world, None, cold).await;
}

async fn a_diamond_belongs_to_whom_it_was_asked_for(backend: Backend) {
    let mut world = of(Edition::Second, backend).await;
    world.config = Config { diamond_owner: Some(Address::repeat_byte(0xc0)), ..world.config };
    let asked = Address::repeat_byte(0xc1);
    deployed_for(world, Some(asked), asked).await;
}

/// Deploys a diamond and looks whose it is, and that the agent opens deals there.
async fn deployed_for(mut world: World, asked: Option<Address>, expected: Address) {
    let agent = world.start();
    let deployment = Uuid::now_v7();
    world.request(&[Request { owner: asked, ..world.ask(deployment, Kind::Deploy) }]).await;
    agent.waker.wake();
    let facts = world.until("it is there", |facts| count_of(facts, "Deployed", &[deployment]) == 1).await;
    let deployed = facts.iter().find_map(|fact| match fact {
        Fact::Deployed { diamond, .. } => Some(*diamond),
        _ => None,
    });
    world.diamond = deployed.expect("an address");
    let report =
        chain::inspect_diamond(&world.network, world.diamond, &[world.signer, asked.unwrap_or_default()]).await;
    let report = report.expect("answers").expect("a diamond");
    assert_eq!(report.owner, expected);
    assert_eq!(report.delay_s, world.config.diamond_delay_s);
    assert_eq!(report.operators.iter().map(|(_, may)| *may).collect::<Vec<_>>(), [true, false]);
    world.opened(&agent, 2).await;
    agent.stop().await;
}
