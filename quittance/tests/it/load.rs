//! Merchants that go on asking for payments whatever the answers are, and what became of what they were promised.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    merchant::{Attempt, Merchant, Payer, assert_one_deal_each},
    world::World,
};

/// Asks again and again until it is stopped.
pub(crate) struct Load {
    stop: CancellationToken,
    clients: Vec<JoinHandle<Vec<Attempt>>>,
}

impl Load {
    /// Three clients, each with a short rest between an answer and its next request.
    pub(crate) fn start(merchant: &Merchant, name: &str) -> Self {
        let stop = CancellationToken::new();
        let clients = (0..3).map(|client| {
            let (merchant, name, stop) = (merchant.clone(), format!("{name}-{client}"), stop.clone());
            tokio::spawn(async move {
                let mut attempts = Vec::new();
                while !stop.is_cancelled() {
                    attempts.push(merchant.attempt(&format!("{name}-{}", attempts.len())).await);
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
                attempts
            })
        });
        Self { clients: clients.collect(), stop }
    }

    /// Every answer there was.
    pub(crate) async fn finish(self) -> Vec<Attempt> {
        self.stop.cancel();
        let mut attempts = Vec::new();
        for client in self.clients {
            attempts.extend(client.await.unwrap());
        }
        attempts
    }
}

/// Every 201 was a promise: the payment is open with one deal; there are no deals without a payment; and no message was
/// given up, nor any attempt at one used up by what happened to the servers.
pub(crate) async fn assert_promises_kept(world: &World, attempts: &[Attempt]) {
    let merchant = Merchant::of(world).await;
    let all = merchant.all().await;
    for promised in attempts.iter().filter(|attempt| attempt.status == 201) {
        let id = promised.body["id"].as_str().unwrap();
        assert!(all.contains_key(id), "payment {id} was answered 201 and is gone");
    }
    // Some were written although their answer was another: they are payments like all others.
    let ids: Vec<String> = all.into_keys().collect();
    merchant.reach(world, &ids, "open").await;
    assert_one_deal_each(&Payer::of(world), &ids).await;
    let letters = queue::dead_letters::list(&world.database().await, &Default::default(), Default::default()).await;
    assert!(letters.unwrap().is_empty(), "{}", world.logs());
    for index in 0..world.processes.len() {
        let log = world.log(index);
        assert!(!log.contains("job failed; trying again"), "an attempt was counted\n{}", world.logs());
        assert!(!log.contains("panicked"), "{}", world.logs());
    }
}

/// What a process says of itself.
pub(crate) async fn health(base_url: &str) -> (u16, Value) {
    let answer = crate::merchant::http().get(format!("{base_url}/health/ready")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Waits until a process says of a part what is wrong with it, and that the others are well.
pub(crate) async fn wait_until_down(world: &World, base_url: &str, part: &str, why: &str) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let (status, report) = health(base_url).await;
        let detail = report["parts"][part]["detail"].as_str().unwrap_or_default();
        if report["parts"][part]["status"] == "down" && detail.contains(why) {
            // Payments are accepted without a broker, and no process stands still for one network.
            let goes_on = part == "chain" || part == "queue" && base_url == world.base_url;
            let expected = if goes_on { (200, "degraded") } else { (503, "down") };
            assert_eq!((status, report["status"].as_str().unwrap()), expected, "{report}");
            return;
        }
        assert!(Instant::now() < until, "{part} is not reported down ({why}): {report}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until a process says that all is well.
pub(crate) async fn wait_until_up(world: &World, base_url: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, report) = health(base_url).await;
        if status == 200 && report["status"] == "up" {
            return;
        }
        assert!(Instant::now() < until, "not up again: {report}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
