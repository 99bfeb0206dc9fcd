//! What a signer may sign: pauses, actions, diamonds, fees and budgets. What is refused waits with its reason.

use chain::{Fact, Kind};
use devchain::BlockTime;
use sea_orm::Value;
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{World, count_of, on_each_database},
};

on_each_database!(
    a_paused_signer_signs_nothing_and_goes_on_when_resumed,
    what_is_not_allowed_waits_with_its_reason_and_spares_the_rest,
    another_diamond_than_the_allowed_ones_waits,
    gas_of_a_day_is_not_passed,
    a_budget_that_holds_no_whole_batch_is_used_deal_by_deal,
    a_key_spends_nothing_for_another_node_that_makes_it_an_operator,
    what_a_day_costs_is_not_passed,
    a_fee_above_the_signers_own_cap_is_not_offered,
    who_is_no_operator_waits_until_it_is_one,
);

async fn registered(backend: Backend) -> World {
    let world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    world.register().await;
    world
}

async fn held_back_by(world: &World, subject_id: Uuid, kind: &str) -> Option<String> {
    let sql = "SELECT held_back_by FROM chain_operations WHERE subject_id = $1 AND kind = $2";
    let row = world.row(sql, vec![subject_id.into(), kind.into()]).await;
    row.try_get("", "held_back_by").expect("a word or none")
}

async fn until_held_back(world: &World, subject_id: Uuid, kind: &str, word: &str) {
    for _ in 0..500 {
        if held_back_by(world, subject_id, kind).await.as_deref() == Some(word) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("not held back by {word}: {:?}", held_back_by(world, subject_id, kind).await);
}

async fn a_paused_signer_signs_nothing_and_goes_on_when_resumed(backend: Backend) {
    let world = registered(backend).await;
    world.set_policy("paused_at = $2", chrono::Utc::now().into()).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("paused")).await;
    let mut health = agent.health.clone();
    let shown = health.wait_for(|health| health.lanes.contains_key(&world.signer));
    let shown = tokio::time::timeout(std::time::Duration::from_secs(90), shown)
        .await
        .expect("in time")
        .expect("it runs")
        .clone();
    assert!(shown.lanes[&world.signer].contains("paused"), "{shown:?}");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 0);
    world.set_policy("paused_at = $2", Value::ChronoDateTimeUtc(None)).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.until_paused(None).await;
    assert!(agent.health.borrow().lanes.is_empty());
    agent.stop().await;
}

async fn what_is_not_allowed_waits_with_its_reason_and_spares_the_rest(backend: Backend) {
    let world = registered(backend).await;
    world.set_policy("actions = $2", json!(["open", "cancel"]).into()).await;
    let agent = world.start();
    let paid = world.opened(&agent, 1).await[0];
    world.deposit(paid).await;
    world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[paid]) == 1).await;
    world.request(&[world.ask(paid, Kind::Release)]).await;
    agent.waker.wake();
    until_held_back(&world, paid, "release", "policy_action").await;
    // What is allowed goes on beside it.
    world.opened(&agent, 2).await;
    assert_eq!(held_back_by(&world, paid, "release").await.as_deref(), Some("policy_action"));
    assert!(agent.health.borrow().lanes[&world.signer].contains("holds back"));
    world.set_policy("actions = $2", Value::Json(None)).await;
    world.until("it is released", |facts| count_of(facts, "Released", &[paid]) == 1).await;
    assert_eq!(held_back_by(&world, paid, "release").await, None);
    assert!(agent.health.borrow().lanes.is_empty(), "{:?}", agent.health.borrow());
    agent.stop().await;
}

async fn another_diamond_than_the_allowed_ones_waits(backend: Backend) {
    let world = registered(backend).await;
    world.set_policy("diamonds = $2", json!([format!("{:#x}", world.token)]).into()).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    until_held_back(&world, subject, "open", "policy_diamond").await;
    world.set_policy("diamonds = $2", json!([format!("{:#x}", world.diamond)]).into()).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    agent.stop().await;
}

async fn gas_of_a_day_is_not_passed(backend: Backend) {
    let world = registered(backend).await;
    // One deal alone, and no second one.
    world.set_policy("gas_per_day = $2", 120_000_i64.into()).await;
    let agent = world.start();
    world.opened(&agent, 1).await;
    let second = Uuid::now_v7();
    world.request(&[world.open(second)]).await;
    agent.waker.wake();
    world.until_paused(Some("gas_per_day")).await;
    // Another process counts what the first one signed.
    agent.stop().await;
    let agent = world.start();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(count_of(&world.facts().await, "Signed", &[second]), 0);
    let row =
        world.row("SELECT gas_of_day FROM signer_lanes WHERE signer = $1", vec![format!("{:#x}", world.signer).into()]);
    let gas: i64 = row.await.try_get("", "gas_of_day").expect("a number");
    assert!((50_000..120_000).contains(&gas), "{gas}");
    world.set_policy("gas_per_day = $2", 1_000_000_i64.into()).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[second]) == 1).await;
    agent.stop().await;
}

async fn a_budget_that_holds_no_whole_batch_is_used_deal_by_deal(backend: Backend) {
    let world = registered(backend).await;
    world.set_policy("gas_per_day = $2", 400_000_i64.into()).await;
    let subjects: Vec<Uuid> = (0..40).map(|_| Uuid::now_v7()).collect();
    world.request(&subjects.iter().map(|subject| world.open(*subject)).collect::<Vec<_>>()).await;
    let agent = world.start();
    world.until("some are open", |facts| count_of(facts, "DealOpened", &subjects) >= 4).await;
    world.until_paused(Some("gas_per_day")).await;
    let sql = "SELECT CAST(SUM(gas_limit) AS BIGINT) AS gas FROM chain_sends";
    let signed: i64 = world.row(sql, vec![]).await.try_get("", "gas").expect("a number");
    assert!((200_000..=400_000).contains(&signed), "{signed}");
    world.set_policy("gas_per_day = $2", sea_orm::Value::BigInt(None)).await;
    world.until("all are open", |facts| count_of(facts, "DealOpened", &subjects) == 40).await;
    agent.stop().await;
}

async fn a_key_spends_nothing_for_another_node_that_makes_it_an_operator(backend: Backend) {
    let world = registered(backend).await;
    let other = world.keystore.generate().await.expect("a key");
    let ether = alloy::primitives::U256::from(10).pow(alloy::primitives::U256::from(18));
    world.payer.transfer(other, ether).await.expect("funds");
    // The diamond's owner may name any address, which is public.
    crate::lanes::appoint(&world, other).await;
    world.register_on("2", other).await;
    let agent = world.start();
    let own = Uuid::now_v7();
    world.request(&[chain::Request { signer: other, ..world.open(own) }]).await;
    agent.waker.wake();
    world.until("it opens its own", |facts| count_of(facts, "DealOpened", &[own]) == 1).await;
    world.set_policy("paused_at = $2", chrono::Utc::now().into()).await;
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("paused")).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 0, "the other node pays for nothing");
    // The same keys on one node share what there is to do.
    world.move_signer(other, world.signer).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    agent.stop().await;
}

async fn what_a_day_costs_is_not_passed(backend: Backend) {
    let world = registered(backend).await;
    world.set_policy("spend_per_day_wei = $2", "1000".into()).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("spend_per_day")).await;
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 0);
    world.set_policy("spend_per_day_wei = $2", "1000000000000000000".into()).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    agent.stop().await;
}

async fn a_fee_above_the_signers_own_cap_is_not_offered(backend: Backend) {
    let world = registered(backend).await;
    world.set_policy("fee_cap_wei = $2", 1_i64.into()).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until_paused(Some("fee_cap")).await;
    let cap = 50_000_000_000_i64;
    world.set_policy("fee_cap_wei = $2", cap.into()).await;
    let facts = world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    let dearest = facts.iter().filter_map(|fact| match fact {
        Fact::Signed { max_fee_per_gas, .. } => Some(*max_fee_per_gas),
        _ => None,
    });
    assert!(dearest.max().is_some_and(|fee| fee <= 50_000_000_000));
    agent.stop().await;
}

async fn who_is_no_operator_waits_until_it_is_one(backend: Backend) {
    let world = registered(backend).await;
    let agent = world.start();
    let stranger = world.keystore.generate().await.expect("a key");
    let ether = alloy::primitives::U256::from(10).pow(alloy::primitives::U256::from(18));
    world.payer.transfer(stranger, ether).await.expect("funds");
    let subject = Uuid::now_v7();
    // Neither the signer of the world is to help: nobody else acts.
    world.set_policy("paused_at = $2", chrono::Utc::now().into()).await;
    world.request(&[chain::Request { signer: stranger, ..world.open(subject) }]).await;
    agent.waker.wake();
    until_held_back(&world, subject, "open", "not_operator").await;
    crate::lanes::appoint(&world, stranger).await;
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(count_of(&world.facts().await, "Failed", &[subject]), 0);
    agent.stop().await;
}
