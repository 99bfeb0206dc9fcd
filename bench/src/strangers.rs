//! `bench strangers`: a load of strangers on the public routes, from two hundred addresses, beside a merchant who creates
//! payments; what it costs the process in memory and disk, and the merchant in time.

use std::{
    collections::BTreeMap,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    embedded::Embedded,
    engine::{Backend, Engine},
    figures::{ms, percentile, rate, ratio},
    http::{Connection, request},
    load::{self, Limits, Outcome},
    merchant::Merchant,
    print_line,
    process::Process,
};

/// How long one rests between an answer and its next request: two hundred of them ask two thousand times a second.
const REST: Duration = Duration::from_millis(100);

/// What the merchant's 99th percentile may become, of what it is alone.
const TARGET: f64 = 0.5;

#[derive(Args)]
pub(crate) struct Options {
    /// Seconds that the strangers go on
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Addresses that strangers have; 0 shows what the merchant alone comes to
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=200))]
    addresses: u64,
    /// Kept connections of the merchant, each with one request under way
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    connections: u64,
    /// What it runs on; the engine is an API and a worker
    #[arg(long, value_enum, default_value_t = Backend::Embedded)]
    backend: Backend,
}

type StatusCounts = BTreeMap<(&'static str, u16), usize>;

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    tokio::task::LocalSet::new().run_until(measure(options)).await
}

/// One proxy in front, so that each stranger has the address that it says.
const BEHIND_A_PROXY: (&str, &str) = ("QUITTANCE_HTTP__TRUSTED_PROXIES", "1");

async fn measure(options: &Options) -> anyhow::Result<()> {
    match options.backend {
        Backend::Embedded => {
            let Embedded { bootstrap, address, processes, folder, .. } =
                Embedded::start(true, &[BEHIND_A_PROXY]).await?;
            let disk = Disk::Folder(folder.path());
            let measured = beside(options, &bootstrap, &address, &processes, &disk).await;
            for process in processes {
                process.stop().await?;
            }
            measured
        }
        Backend::Engine => {
            let mut engine = Engine::set_up(None).await?;
            engine.set(BEHIND_A_PROXY.0, BEHIND_A_PROXY.1);
            let measured = async {
                engine.start(1).await?;
                let Engine { bootstrap, address, processes, database, folder, .. } = &engine;
                beside(options, bootstrap, address, processes, &Disk::Database(&database.db, folder.path())).await
            };
            let measured = measured.await;
            engine.clean_up().await?;
            measured
        }
    }
}

/// The folder or server whose bytes are counted.
enum Disk<'a> {
    Folder(&'a Path),
    Database(&'a DatabaseConnection, &'a Path),
}

impl Disk<'_> {
    async fn bytes(&self) -> anyhow::Result<u64> {
        let (db, folder) = match self {
            Self::Folder(folder) => return Ok(size_of(folder)),
            Self::Database(db, folder) => (db, folder),
        };
        let sql = "SELECT pg_database_size(current_database()) AS bytes";
        let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
        let bytes: i64 = row.context("PostgreSQL does not tell the size of the database")?.try_get("", "bytes")?;
        Ok(size_of(folder) + u64::try_from(bytes)?)
    }
}

async fn beside(
    options: &Options,
    bootstrap: &Value,
    address: &str,
    processes: &[Process],
    disk: &Disk<'_>,
) -> anyhow::Result<()> {
    let merchant = Rc::new(Merchant::sign_in(address, bootstrap).await?);
    let time = Duration::from_secs(options.seconds);
    let limits = |time| Limits { connections: options.connections.try_into().unwrap_or(1), requests: usize::MAX, time };
    let alone = load::create_payments(&merchant, "alone", limits(time.min(Duration::from_secs(15)))).await?;
    let (memory_alone, disk_alone) = (peaks(processes)?, disk.bytes().await?);
    let until = Instant::now() + time;
    let mut strangers = JoinSet::new();
    for number in 0..options.addresses.try_into().unwrap_or(0) {
        strangers.spawn_local(stranger(address.to_owned(), number, until));
    }
    let beside = load::create_payments(&merchant, "beside", limits(time)).await?;
    let mut answers = StatusCounts::new();
    while let Some(asked) = strangers.join_next().await {
        for (answer, count) in asked?? {
            *answers.entry(answer).or_default() += count;
        }
    }
    let (memory, disk) = (peaks(processes)?, disk.bytes().await?.saturating_sub(disk_alone) >> 20);
    // What is behind the API works on, and falls behind, in whatever company: the merchant is alone before and after.
    let again = load::create_payments(&merchant, "again", limits(time.min(Duration::from_secs(15)))).await?;
    report("alone", &alone)?;
    report("beside strangers", &beside)?;
    report("alone again", &again)?;
    for ((path, status), count) in &answers {
        print_line(&format!("  strangers: {count:>7} × {status} {path}"));
    }
    let asked = rate(answers.values().sum(), time);
    let admitted = rate(answers.iter().filter(|((_, status), _)| *status != 429).map(|(_, count)| count).sum(), time);
    print_line(&format!("strangers asked {asked:.0} times a second, {admitted:.0} of them were not answered 429"));
    print_line(&format!("memory at its peak {memory} ({memory_alone} before), disk +{disk} MB"));
    let p99 = |outcome: &Outcome| percentile(&outcome.created, 99).as_secs_f64();
    let alone = p99(&alone).midpoint(p99(&again));
    print_line(&format!(
        "creates' p99 alone, before and after, to beside strangers: {}",
        ratio(alone, p99(&beside), TARGET)
    ));
    Ok(())
}

/// The most memory that each process has had.
fn peaks(processes: &[Process]) -> anyhow::Result<String> {
    let peaks: Vec<String> = processes
        .iter()
        .map(|process| Ok(format!("{} MB", process.peak_memory_mb()?)))
        .collect::<anyhow::Result<_>>()?;
    Ok(peaks.join(" + "))
}

fn report(how: &str, outcome: &Outcome) -> anyhow::Result<()> {
    if outcome.errors > 0 {
        bail!("{how}: {} payments failed: {}", outcome.errors, outcome.first_error.as_deref().unwrap_or_default());
    }
    let (count, p50, p99) = (outcome.created.len(), percentile(&outcome.created, 50), percentile(&outcome.created, 99));
    let a_second = rate(count, outcome.elapsed);
    print_line(&format!("{how}: {a_second:.0} payments/s, p50 {}, p99 {}", ms(p50), ms(p99)));
    Ok(())
}

/// One address: everything that strangers may ask for, in turn, and never a wait for a Retry-After.
async fn stranger(address: String, number: usize, until: Instant) -> anyhow::Result<StatusCounts> {
    let mut answers = StatusCounts::new();
    let mut connection = Connection::open(&address).await?;
    for turn in number.. {
        if Instant::now() >= until {
            break;
        }
        let (method, path, body) = question(number, turn);
        let headers = format!("x-forwarded-for: 127.0.1.{number}\r\n");
        let status = match connection.exchange(&request(method, path, &headers, &body)).await {
            Ok(answer) => answer.status,
            // A refusal may close the connection; 0 stands for no answer.
            Err(_) => {
                connection = Connection::open(&address).await?;
                0
            }
        };
        *answers.entry((path, status)).or_default() += 1;
        tokio::time::sleep(REST).await;
    }
    Ok(answers)
}

fn question(number: usize, turn: usize) -> (&'static str, &'static str, String) {
    let post = |path, body: Value| ("POST", path, body.to_string());
    match turn % 6 {
        0 => post("/auth/login", json!({ "name": "admin", "pin": format!("{:04}", turn % 10_000) })),
        1 => post("/api/orders", json!({ "total": 1, "totalBs": 36.5, "items": [{ "name": "x".repeat(1_000) }] })),
        2 => post("/api/auth/register", json!({ "email": format!("{number}-{turn}@x.example"), "password": "secret" })),
        3 => post("/api/payments/create-intent", json!({ "order_id": turn })),
        4 => post("/api/v1/auth/authenticate", json!({ "api_key": "qk_1", "secret_key": "qs_1" })),
        _ => ("GET", "/api/payments/accounts", String::new()),
    }
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
