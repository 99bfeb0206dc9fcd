//! Killed at random moments, by a seed, while merchants and a payer go on as fast as they are let.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use entities::PaymentStatus;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;

use super::{
    audit::{self, Findings},
    drive::Outside,
    installation,
    points::On,
};
use crate::world::World;

/// Two workers wait for the dead one's lease; with the default of ten seconds most of a short test would be waiting.
/// PostgreSQL lets a hundred connections in, and other tests run beside this one.
const SETTINGS: &[(&str, &str)] =
    &[("QUITTANCE_CHAIN__LEASE_MS", "2000"), ("QUITTANCE_DATABASE__CONNECTIONS_MAX", "5")];

/// Merchants, each with one request under way at a time.
const CLIENTS: u64 = 6;

/// How long a merchant waits before it asks again what nobody has answered.
const AGAIN: Duration = Duration::from_millis(50);

/// How long everything may take to come to rest at the end.
const REST: Duration = Duration::from_secs(180);

/// `scripts/kills random` asks for more than the suite does.
fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// A merchant: creates payments, has some of them canceled and some paid.
async fn merchant(outside: Arc<Outside>, number: u64, seed: u64, stop: Arc<AtomicBool>) {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number));
    for order in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let external_id = format!("merchant-{number}-{order}");
        while !outside.create(&external_id, None).await {
            tokio::time::sleep(AGAIN).await;
        }
        match random.random_range(0..10) {
            0 | 1 => {
                outside.want(std::slice::from_ref(&external_id), PaymentStatus::Canceled);
                tokio::time::sleep(Duration::from_millis(random.random_range(0..2_000))).await;
                while !outside.command("cancel", &external_id, None).await {
                    tokio::time::sleep(AGAIN).await;
                }
            }
            2 | 3 => outside.want(std::slice::from_ref(&external_id), PaymentStatus::Paid),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(100..700))).await;
    }
}

/// The payer: deposits into what is to be paid and open, and again when that is still so a while later.
async fn payer(outside: &Outside, tried: &mut BTreeMap<String, Instant>) {
    let wanted = outside.book().wanted.clone();
    let to_pay: Vec<String> =
        wanted.into_iter().filter(|(_, status)| *status == PaymentStatus::Paid).map(|(id, _)| id).collect();
    let open = audit::open_among(&outside.db, &to_pay).await;
    let again = |id: &String| tried.get(id).is_none_or(|at| at.elapsed() > Duration::from_secs(6));
    let due: Vec<String> = open.into_iter().filter(again).take(20).collect();
    tried.extend(due.iter().map(|id| (id.clone(), Instant::now())));
    if !due.is_empty() {
        outside.deposit(&due).await;
    }
}

/// What is counted.
#[derive(Default)]
struct Figures {
    kills: BTreeMap<&'static str, u32>,
    recoveries: Vec<Duration>,
}

impl Figures {
    fn line(&self, on: On, seconds: u64, seed: u64, outside: &Outside, findings: &Findings) -> String {
        let kills: u32 = self.kills.values().sum();
        let mut recoveries: Vec<u128> = self.recoveries.iter().map(Duration::as_millis).collect();
        recoveries.sort_unstable();
        let (median, max) = (recoveries.get(recoveries.len() / 2), recoveries.last());
        let acknowledged = outside.book().promised.len();
        format!(
            "{on:?}, {seconds} s, seed {seed}: {kills} kills {:?}, {} creates attempted, {acknowledged} acknowledged, \
             {} payments; lost {}, doubled {}, otherwise wrong {}; recovered after {} ms (median), {} ms (max)",
            self.kills,
            outside.attempts.load(Ordering::Relaxed),
            outside.book().wanted.len(),
            findings.lost.len(),
            findings.doubled.len(),
            findings.wrong.len(),
            median.copied().unwrap_or_default(),
            max.copied().unwrap_or_default(),
        )
    }
}

/// Kills and starts again until the time is over.
async fn kill(world: &mut World, outside: &Arc<Outside>, random: &mut StdRng, until: Instant) -> Figures {
    let mut figures = Figures::default();
    let mut recoveries = JoinSet::new();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..5_000))).await;
        let count = world.processes.len();
        let victims: Vec<usize> =
            if random.random_range(0..6) == 0 { (0..count).collect() } else { vec![random.random_range(0..count)] };
        for index in &victims {
            let ended = world.processes[*index].ended();
            assert!(ended.is_none(), "process {index} ended by itself: {ended:?}\n{}", world.logs());
            world.processes[*index].kill();
            let name = if count == 1 {
                "all in one"
            } else if *index == 0 {
                "api"
            } else {
                "worker"
            };
            *figures.kills.entry(name).or_default() += 1;
        }
        let (killed, at) = (Instant::now(), Utc::now());
        tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        victims.iter().for_each(|index| world.start_again(*index));
        world.recovered().await;
        let outside = Arc::clone(outside);
        // Everything that was accepted before the kill has its deal.
        recoveries.spawn(async move {
            while audit::waiting_since(&outside.db, at).await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            killed.elapsed()
        });
    }
    figures.recoveries = tokio::time::timeout(REST, recoveries.join_all()).await.unwrap();
    figures
}

#[expect(clippy::print_stdout, reason = "the figures are what this is for; the test harness keeps them unless asked")]
async fn survives_kills_at_random(on: On) {
    let seconds = asked("QUITTANCE_TEST_KILLS_SECONDS", 20);
    let seed = asked("QUITTANCE_TEST_KILLS_SEED", 1);
    let mut world = installation(on, SETTINGS, 2).await;
    let outside = Arc::new(Outside::of(&world).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut merchants = JoinSet::new();
    for number in 0..CLIENTS {
        merchants.spawn(merchant(Arc::clone(&outside), number, seed, Arc::clone(&stop)));
    }
    let paying = tokio::spawn({
        let outside = Arc::clone(&outside);
        async move {
            let mut tried = BTreeMap::new();
            loop {
                payer(&outside, &mut tried).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    });
    let until = Instant::now() + Duration::from_secs(seconds);
    let figures = kill(&mut world, &outside, &mut StdRng::seed_from_u64(seed), until).await;
    stop.store(true, Ordering::Relaxed);
    // Merchants end when what they have asked for is answered; a panic of theirs is ours.
    tokio::time::timeout(REST, merchants.join_all()).await.expect("every merchant is answered in the end");
    let rest = outside.settled(REST).await;
    paying.abort();
    let book = outside.book().clone();
    let findings = audit::audit(&outside.db, &outside.payer, &outside.consumer, &book).await;
    println!("{}", figures.line(on, seconds, seed, &outside, &findings));
    assert!(findings.none() && rest.is_ok(), "{rest:?} {findings:#?}\n{}", world.logs());
    assert!(!outside.book().promised.is_empty(), "something was answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    survives_kills_at_random(On::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn engine() {
    survives_kills_at_random(On::Engine).await;
}
