//! Killed in the middle of it, and started again.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    merchant::{Merchant, Payer, assert_one_deal_each},
    world::World,
};

/// Creates payments as fast as they are taken until nobody answers; returns the ids of those that were answered 201.
async fn create_until_killed(merchant: &Merchant, name: &str, clients: usize) -> Arc<Mutex<Vec<String>>> {
    let answered = Arc::new(Mutex::new(Vec::new()));
    for client in 0..clients {
        let (merchant, answered, name) = (merchant.clone(), Arc::clone(&answered), name.to_owned());
        tokio::spawn(async move {
            for number in 0..25 {
                match merchant.try_create(&format!("{name}-{client}-{number}")).await {
                    Ok((201, payment)) => answered.lock().unwrap().push(payment["id"].as_str().unwrap().to_owned()),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => return,
                }
            }
        });
    }
    answered
}

/// Every answer was a promise: the payment is open with one deal, and there are no deals without a payment.
async fn assert_promises_kept(world: &World, answered: &[String]) {
    let merchant = Merchant::of(world).await;
    let all = merchant.all().await;
    for id in answered {
        assert!(all.contains_key(id), "payment {id} was answered 201 and is gone");
    }
    // Some were written although the answer did not arrive: they are payments like all others.
    let ids: Vec<String> = all.into_keys().collect();
    merchant.reach(world, &ids, "open").await;
    assert_one_deal_each(&Payer::of(world), &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_process_may_be_killed_at_any_time() {
    let mut world = World::embedded().await;
    let mut promised = Vec::new();
    // Between the first answer and the last deal there is a second or two; each round falls elsewhere.
    for (round, delay_ms) in [60, 400, 1_150].into_iter().enumerate() {
        let merchant = Merchant::of(&world).await;
        let answered = create_until_killed(&merchant, &format!("round-{round}"), 8).await;
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        world.processes[0].kill();
        world.processes.clear();
        tokio::time::sleep(Duration::from_millis(100)).await;
        promised.append(&mut answered.lock().unwrap());
        world.start_embedded().await;
    }
    assert!(!promised.is_empty(), "something was answered before the kills");
    assert_promises_kept(&world, &promised).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_api_may_be_killed_at_any_time() {
    let mut world = World::engine().await;
    let merchant = Merchant::of(&world).await;
    let answered = create_until_killed(&merchant, "engine", 8).await;
    for worker in [1, 2] {
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.processes[worker].kill();
        world.start(&["worker"]);
    }
    world.processes[0].kill();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let port = world.base_url.rsplit_once(':').unwrap().1.to_owned();
    world.start(&["api", "--listen", &format!("127.0.0.1:{port}")]);
    world.wait_until_ready().await;
    let promised = answered.lock().unwrap().clone();
    assert!(!promised.is_empty(), "something was answered before the kills");
    assert_promises_kept(&world, &promised).await;
}
