//! A load of strangers on the public routes, from two hundred addresses, while a merchant goes on: every payment of theirs
//! is accepted. How long that takes is printed and not asserted here, where a debug build shares the machine with other
//! tests; `bench strangers` measures it.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    merchant::{Merchant, http},
    world::World,
};

/// What the process may have taken at its worst, MB, and the data folder may have grown by. A debug build comes to 170 to 210.
const MEMORY_MAX: u64 = 300;
const DISK_MAX: u64 = 200;

/// How long the merchant is measured alone, and beside the strangers.
const QUIET: Duration = Duration::from_secs(5);
const LOUD: Duration = Duration::from_secs(10);

/// The 99th percentile of payments that are created one after the other, so many a second at most.
async fn creates(merchant: &Merchant, name: &str, time: Duration) -> Duration {
    let (until, mut taken) = (Instant::now() + time, Vec::new());
    while Instant::now() < until {
        let started = Instant::now();
        let (status, answer) = merchant.try_create(&format!("{name}-{}", taken.len())).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        taken.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    taken.sort_unstable();
    taken[(taken.len() - 1) * 99 / 100]
}

/// One stranger, who asks for everything in turn and never waits for a Retry-After.
async fn stranger(http: Client, base_url: String, number: usize, until: Instant) -> BTreeMap<String, u32> {
    let address = format!("127.0.1.{number}");
    let mut answers = BTreeMap::new();
    let form = upload_form();
    for turn in number.. {
        if Instant::now() >= until {
            break;
        }
        let post = |path: &str, body: Value| (http.post(format!("{base_url}{path}")).json(&body), path.to_owned());
        let order = json!({ "total": 1, "totalBs": 36.5, "items": [{ "name": "x".repeat(1_000) }] });
        let (request, path) = match turn % 7 {
            0 => post("/auth/login", json!({ "name": "admin", "pin": format!("{turn:04}") })),
            1 => post("/api/orders", order),
            2 => post(
                "/api/auth/register",
                json!({ "email": format!("{address}-{turn}@x.example"), "password": "secret" }),
            ),
            3 => post("/api/payments/create-intent", json!({ "order_id": turn })),
            4 => (http.get(format!("{base_url}/api/payments/accounts")), "accounts".to_owned()),
            5 => post("/api/v1/auth/authenticate", json!({ "api_key": "qk_1", "secret_key": "qs_1" })),
            _ => {
                let upload = http.post(format!("{base_url}/api/upload")).body(form.clone());
                (upload.header("content-type", "multipart/form-data; boundary=x"), "/api/upload".to_owned())
            }
        };
        let answer = request.header("x-forwarded-for", &address).send().await;
        let status = answer.map_or_else(|_| "none".to_owned(), |answer| answer.status().as_u16().to_string());
        *answers.entry(format!("{path} {status}")).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    answers
}

/// A file of 100 KiB that begins like a PNG picture, in the form that it is uploaded with.
fn upload_form() -> Vec<u8> {
    let head = b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.png\"\r\n\r\n\x89PNG\r\n\x1a\n";
    [head.as_slice(), &vec![0; 100 << 10], b"\r\n--x--\r\n"].concat()
}

/// Two hundred sign-ins at once, each from an address of its own.
async fn crowd(http: &Client, base_url: &str) -> BTreeMap<u16, u32> {
    let mut sent = JoinSet::new();
    for number in 0..200 {
        let request =
            http.post(format!("{base_url}/auth/login")).json(&json!({ "name": format!("n{number}"), "pin": "0000" }));
        let request = request.header("x-forwarded-for", format!("127.0.2.{number}"));
        sent.spawn(async move { request.send().await.map_or(0, |answer| answer.status().as_u16()) });
    }
    let mut answers = BTreeMap::new();
    for status in sent.join_all().await {
        *answers.entry(status).or_default() += 1;
    }
    answers
}

/// Bytes of all files below.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

#[expect(clippy::print_stdout, reason = "the figures are what this is for; the test harness keeps them unless asked")]
async fn withstands(world: World) {
    let (merchant, http) = (Merchant::of(&world).await, http());
    let quiet = creates(&merchant, "quiet", QUIET).await;
    let before = size_of(&world.data_dir());
    let crowd = crowd(&http, &world.base_url).await;
    let (until, mut strangers) = (Instant::now() + LOUD, JoinSet::new());
    for number in 1..=200 {
        strangers.spawn(stranger(http.clone(), world.base_url.clone(), number, until));
    }
    let loud = creates(&merchant, "loud", LOUD).await;
    let mut answers = BTreeMap::<String, u32>::new();
    for asked in strangers.join_all().await {
        for (answer, count) in asked {
            *answers.entry(answer).or_default() += count;
        }
    }
    let memory = world.processes[0].peak_memory_mb();
    let disk = size_of(&world.data_dir()).saturating_sub(before) >> 20;
    println!("sign-ins at once: {crowd:?}\nstrangers: {answers:#?}");
    println!("memory at its peak {memory} MB, disk +{disk} MB, creates' p99 {quiet:?} alone and {loud:?} beside them");
    assert!(memory < MEMORY_MAX, "{memory} MB\n{}", world.logs());
    assert!(disk < DISK_MAX, "{disk} MB");
    assert!(answers.keys().any(|answer| answer.ends_with("429")), "{answers:?}");
    assert!(crowd.keys().all(|status| [401, 429, 503].contains(status)), "{crowd:?}");
}

const BEHIND_A_PROXY: [(&str, &str); 1] = [("QUITTANCE_HTTP__TRUSTED_PROXIES", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_strangers_stays_within_its_bounds_on_the_embedded_default() {
    withstands(World::embedded_with(&BEHIND_A_PROXY).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_strangers_stays_within_its_bounds_on_the_real_engine() {
    withstands(World::engine_with(&BEHIND_A_PROXY, 1).await).await;
}
