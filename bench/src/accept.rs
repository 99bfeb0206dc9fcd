//! `bench accept`: payments accepted over HTTP, beside single-row transactions on the same tables of the same server.

mod bare_row;
mod pgbench;
mod sqlite_loop;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use secrecy::ExposeSecret;

use self::{bare_row::BareRow, pgbench::Pgbench, sqlite_loop::SqliteLoop};
use crate::{
    embedded::Embedded,
    engine::{Backend, Engine},
    figures::{median, ms, percentile, rate, ratio},
    load::{self, Limits, Outcome},
    merchant::Merchant,
    print_line,
    process::Process,
};

/// What of the bare figure batching must reach at least.
const TARGET: f64 = 0.8;

/// How long the outbox may take to empty between two measurements.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

/// pgbench's time runs while it connects, which on a busy machine alone takes a second.
const BARE_WARM_UP: Duration = Duration::from_secs(3);

#[derive(Args)]
pub(crate) struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Kept connections, each with one request under way; pgbench gets as many clients
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=90))]
    connections: u64,
    /// Times that both are measured; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    rounds: u64,
    /// What it runs on
    #[arg(long, value_enum, default_value_t = Backend::Engine)]
    backend: Backend,
    /// Worker processes that open deals meanwhile (embedded: any number means the all-in-one process)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=4))]
    workers: u64,
}

/// The bare part that is measured beside.
enum Bare {
    Pgbench(Pgbench),
    SqliteLoop(SqliteLoop),
}

/// What is measured, and what it is measured with.
struct Bench<'a> {
    options: &'a Options,
    merchant: Rc<Merchant>,
    /// The product's database, to see what really became of the payments.
    db: &'a DatabaseConnection,
    bare: Bare,
    processes: &'a [Process],
}

/// One measurement of both.
struct Round {
    outcome: Outcome,
    processor_us: f64,
    drained: Duration,
    bare: f64,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    tokio::task::LocalSet::new()
        .run_until(async {
            match options.backend {
                Backend::Engine => engine(options).await,
                Backend::Embedded => embedded(options).await,
            }
        })
        .await
}

async fn engine(options: &Options) -> anyhow::Result<()> {
    let mut engine = Engine::set_up(None).await?;
    let measured = async {
        engine.start(usize::try_from(options.workers)?).await?;
        let merchant = Rc::new(Merchant::sign_in(&engine.address, &engine.bootstrap).await?);
        let script = BareRow::of(&merchant)?.pgbench_script();
        let pgbench = Pgbench::new(engine.database.config.url.expose_secret(), &script, options.connections)?;
        let (db, processes) = (&*engine.database.db, engine.processes.as_slice());
        Bench { options, merchant, db, bare: Bare::Pgbench(pgbench), processes }.run().await
    };
    let measured = unless_interrupted(measured).await;
    engine.clean_up().await?;
    measured
}

async fn embedded(options: &Options) -> anyhow::Result<()> {
    let embedded = Embedded::start(options.workers > 0, &[]).await?;
    let measured = async {
        let merchant = Rc::new(Merchant::sign_in(&embedded.address, &embedded.bootstrap).await?);
        let bare = Bare::SqliteLoop(SqliteLoop::new(&embedded.database_file(), BareRow::of(&merchant)?).await?);
        let db = sea_orm::Database::connect(format!("sqlite://{}", embedded.database_file().display())).await?;
        Bench { options, merchant, db: &db, bare, processes: &embedded.processes }.run().await
    };
    unless_interrupted(measured).await
}

/// Lets a Ctrl-C end the work, but not the cleaning up.
async fn unless_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

impl Bench<'_> {
    async fn run(&mut self) -> anyhow::Result<()> {
        let Options { seconds, connections, rounds, workers, .. } = self.options;
        print_line(&format!(
            "accept on {}, {workers} workers: {connections} connections, {seconds} s, {rounds} rounds",
            self.place()
        ));
        let mut answered = self.load("warm-up", Duration::from_secs(1)).await?.created.len();
        self.bare.measure(BARE_WARM_UP).await?;
        let mut measured = Vec::new();
        for number in 1..=*rounds {
            let round = self.round(number).await?;
            answered += round.outcome.created.len();
            self.report(&format!("round {number}"), &round);
            measured.push(round);
        }
        self.check(answered).await?;
        let ours = median(measured.iter().map(|round| rate(round.outcome.created.len(), round.outcome.elapsed)));
        let bare = median(measured.iter().map(|round| round.bare));
        let quantile = |hundredths| {
            median(measured.iter().map(|round| percentile(&round.outcome.created, hundredths).as_secs_f64()))
        };
        let quantile = |hundredths| ms(Duration::from_secs_f64(quantile(hundredths)));
        let errors: usize = measured.iter().map(|round| round.outcome.errors).sum();
        print_line(&format!(
            "quittance  {ours:.0} payments/s, p50 {}, p99 {}, errors {errors}",
            quantile(50),
            quantile(99)
        ));
        print_line(&format!("{:<10} {bare:.0} transactions/s", self.bare.name()));
        print_line(&ratio(ours, bare, TARGET));
        Ok(())
    }

    async fn round(&mut self, number: u64) -> anyhow::Result<Round> {
        let used = self.processor_time();
        let outcome = self.load(&format!("round-{number}"), Duration::from_secs(self.options.seconds)).await?;
        let processor_us = rate_us(self.processor_time().saturating_sub(used), outcome.created.len());
        let drained = self.drain().await?;
        let bare = self.bare.measure(Duration::from_secs(self.options.seconds)).await?;
        Ok(Round { outcome, processor_us, drained, bare })
    }

    async fn load(&self, name: &str, time: Duration) -> anyhow::Result<Outcome> {
        let connections = usize::try_from(self.options.connections)?;
        let outcome =
            load::create_payments(&self.merchant, name, Limits { connections, requests: usize::MAX, time }).await?;
        if outcome.created.is_empty() {
            bail!("nothing was accepted: {}", outcome.first_error.unwrap_or_default());
        }
        Ok(outcome)
    }

    fn report(&self, name: &str, round: &Round) {
        let Outcome { created, errors, first_error, elapsed, .. } = &round.outcome;
        let first_error = first_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        print_line(&format!(
            "{name}: {:.0} payments/s, p50 {}, p99 {}, max {}, errors {errors}{first_error}, processor {:.0} µs each, outbox \
             empty {:.1} s later; {} {:.0}/s",
            rate(created.len(), *elapsed),
            ms(percentile(created, 50)),
            ms(percentile(created, 99)),
            ms(percentile(created, 100)),
            round.processor_us,
            round.drained.as_secs_f64(),
            self.bare.name(),
            round.bare,
        ));
    }

    /// Waits until every message was handed to the broker, so that the bare part has the machine to itself.
    async fn drain(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        // Without a worker the embedded broker has nobody to hand its messages to: the rows are its queue.
        let stays = self.options.backend == Backend::Embedded && self.options.workers == 0;
        while !stays && self.count("outbox WHERE attempts < 100").await? > 0 {
            if started.elapsed() > DRAINED_WITHIN {
                bail!("the outbox is not empty {DRAINED_WITHIN:?} after the load");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(started.elapsed())
    }

    /// Every payment that was answered is there, with its log row.
    async fn check(&self, answered: usize) -> anyhow::Result<()> {
        let payments = self.count("payments WHERE metadata IS NULL").await?;
        let logs = self
            .count("payment_logs JOIN payments ON payments.id = payment_id WHERE metadata IS NULL AND payment_logs.sequence = 1")
            .await?;
        if payments != logs || payments < answered {
            bail!("{answered} payments were answered, but {payments} payments and {logs} log rows are there");
        }
        print_line(&format!(
            "checked: {answered} answered 201, {payments} payments and as many log rows in the database"
        ));
        Ok(())
    }

    async fn count(&self, from: &str) -> anyhow::Result<usize> {
        let sql = format!("SELECT count(*) AS count FROM {from}");
        let row = self.db.query_one_raw(Statement::from_string(self.db.get_database_backend(), sql)).await?;
        Ok(usize::try_from(row.context("a count")?.try_get::<i64>("", "count")?)?)
    }

    fn processor_time(&self) -> Duration {
        self.processes.iter().map(Process::processor_time).sum()
    }

    fn place(&self) -> &'static str {
        match self.options.backend {
            Backend::Engine => "PostgreSQL and RabbitMQ",
            Backend::Embedded => "the embedded default (SQLite)",
        }
    }
}

impl Bare {
    async fn measure(&mut self, time: Duration) -> anyhow::Result<f64> {
        match self {
            Self::Pgbench(pgbench) => pgbench.measure(time).await,
            Self::SqliteLoop(sqlite) => sqlite.measure(time).await,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Pgbench(_) => "pgbench",
            Self::SqliteLoop(_) => "bare loop",
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn rate_us(used: Duration, count: usize) -> f64 {
    used.as_secs_f64() * 1e6 / count.max(1) as f64
}
