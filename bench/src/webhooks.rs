//! `bench webhooks`: events delivered to receivers that answer after 0, 20 and 100 ms, one and fifty of them, beside a bare
//! signed sender; and what is due now beside a recovery.

mod bare_sender;
mod owed;
mod receivers;

use std::{rc::Rc, time::Duration};

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use self::{owed::Owed, receivers::Receivers};
use crate::{
    engine::Engine,
    figures::{median, rate, ratio},
    http::{Connection, request},
    load::{self, Limits},
    merchant::Merchant,
    print_line,
};

/// How many receivers there are where there are many.
const MANY: usize = 50;

/// What is wanted of slow receivers, one and many, deliveries a second.
const AIM_ONE: f64 = 2_000.0;
const AIM_MANY: f64 = 7_000.0;

/// What of the bare sender's figure is wanted, although everything is written down before and after.
const TARGET: f64 = 0.2;

/// What of their speed others keep beside a recovery.
const TARGET_BESIDE: f64 = 0.8;

/// How long the deliveries of a round may take.
const WITHIN: Duration = Duration::from_secs(180);

/// Payments that the events are about.
const PAYMENTS: usize = 200;

#[derive(Args)]
pub(crate) struct Options {
    /// Deliveries to one receiver in each measurement; fifty get twice as many together
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=200_000))]
    deliveries: u64,
    /// Times that both are measured; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    rounds: u64,
    /// After how many milliseconds receivers answer
    #[arg(long, value_delimiter = ',', default_values_t = [0, 20, 100])]
    answers_ms: Vec<u64>,
}

struct Bench<'a> {
    options: &'a Options,
    engine: &'a Engine,
    merchant: Rc<Merchant>,
    owed: Owed<'a>,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    tokio::task::LocalSet::new().run_until(on_an_engine(options)).await
}

async fn on_an_engine(options: &Options) -> anyhow::Result<()> {
    let mut engine = Engine::set_up(None).await?;
    engine.set("QUITTANCE_WEBHOOKS__ALLOWED_NETWORKS", r#"["127.0.0.0/8"]"#);
    let measured = async {
        engine.start(1).await?;
        let merchant = Rc::new(Merchant::sign_in(&engine.address, &engine.bootstrap).await?);
        let limits = Limits { connections: 8, requests: PAYMENTS, time: WITHIN };
        load::create_payments(&merchant, "told", limits).await?;
        let owed = Owed::new(&engine.database.db).await?;
        Bench { options, engine: &engine, merchant, owed }.run().await
    };
    let measured = tokio::select! {
        done = measured => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    engine.clean_up().await?;
    measured
}

impl Bench<'_> {
    async fn run(&self) -> anyhow::Result<()> {
        let Options { deliveries, rounds, answers_ms } = self.options;
        print_line(&format!(
            "webhooks on PostgreSQL and RabbitMQ, one api, one worker: {deliveries} deliveries, {rounds} rounds"
        ));
        for answer_ms in answers_ms {
            self.case(1, Duration::from_millis(*answer_ms)).await?;
            self.case(MANY, Duration::from_millis(*answer_ms)).await?;
        }
        self.beside_a_recovery().await?;
        let worker = &self.engine.processes[1];
        print_line(&format!("the worker's memory at its peak: {} MB", worker.peak_memory_mb()?));
        Ok(())
    }

    /// Measures so many receivers that answer after this time.
    async fn case(&self, count: usize, answer: Duration) -> anyhow::Result<()> {
        let receivers = Receivers::start(count, answer).await?;
        let endpoints = self.endpoints(&receivers).await?;
        let each = self.each(count)?;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..self.options.rounds {
            ours.push(self.round(&receivers, &endpoints, each).await?);
            bare.push(bare_sender::send(&receivers, each).await?);
        }
        self.delete(&endpoints).await?;
        let (ours, bare) = (median(ours), median(bare));
        let aim = if count == 1 { AIM_ONE } else { AIM_MANY };
        let verdict = if ours >= aim { "reached" } else { "missed" };
        print_line(&format!(
            "{count:>2} receivers, answers after {:>3} ms: quittance {ours:>6.0}/s (aim {aim:.0}: {verdict}), bare signed \
             sender {bare:>6.0}/s, {}",
            answer.as_millis(),
            ratio(ours, bare, TARGET),
        ));
        Ok(())
    }

    fn each(&self, receivers: usize) -> anyhow::Result<usize> {
        let deliveries = usize::try_from(self.options.deliveries)?;
        Ok(if receivers == 1 { deliveries } else { deliveries * 2 / receivers })
    }

    /// Deliveries a second, from the first to the last.
    async fn round(&self, receivers: &Receivers, endpoints: &[Uuid], each: usize) -> anyhow::Result<f64> {
        receivers.forget();
        self.owed.due_now(endpoints, each).await?;
        let total = each * endpoints.len();
        self.until(|| receivers.arrived() >= total).await?;
        let took = receivers.took();
        self.owed.until_written(endpoints, WITHIN).await?;
        if receivers.arrived() != total || receivers.repeated() > 0 {
            bail!("{total} were due, {} arrived, {} of them again", receivers.arrived(), receivers.repeated());
        }
        Ok(rate(total, took))
    }

    /// Fifty receivers alone, and then beside one that gets back what it has missed.
    async fn beside_a_recovery(&self) -> anyhow::Result<()> {
        let (receivers, recovering) =
            (Receivers::start(MANY, Duration::ZERO).await?, Receivers::start(1, Duration::ZERO).await?);
        let endpoints = self.endpoints(&receivers).await?;
        let recovered = self.endpoints(&recovering).await?;
        let (each, held) = (self.each(MANY)?, 5 * usize::try_from(self.options.deliveries)?);
        let (mut alone, mut beside, mut released) = (Vec::new(), Vec::new(), 0);
        for _ in 0..self.options.rounds {
            alone.push(self.round(&receivers, &endpoints, each).await?);
            recovering.forget();
            self.owed.held(&recovered, held).await?;
            self.recover(recovered[0]).await?;
            self.until(|| recovering.arrived() > 0).await?;
            beside.push(self.round(&receivers, &endpoints, each).await?);
            released = recovering.arrived();
            self.until(|| recovering.arrived() >= held).await?;
            self.owed.until_written(&recovered, WITHIN).await?;
        }
        let (alone, beside) = (median(alone), median(beside));
        print_line(&format!(
            "{MANY} receivers alone {alone:.0}/s, beside a recovery of {held} {beside:.0}/s (of which {released} had arrived \
             by then), {}",
            ratio(beside, alone, TARGET_BESIDE),
        ));
        Ok(())
    }

    async fn until(&self, holds: impl Fn() -> bool) -> anyhow::Result<()> {
        let started = Instant::now();
        while !holds() {
            if started.elapsed() > WITHIN {
                bail!("not everything has arrived within {WITHIN:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// An endpoint for each receiver. They want what does not happen here, so that they get what is owed to them alone.
    async fn endpoints(&self, receivers: &Receivers) -> anyhow::Result<Vec<Uuid>> {
        let mut ids = Vec::new();
        for url in receivers.urls() {
            let body = json!({ "node_id": self.merchant.id("node_id")?, "url": url, "events": ["payout.failed"] });
            let created = self.request("POST", "/api/v1/webhooks", &body).await?;
            ids.push(created["id"].as_str().unwrap_or_default().parse()?);
        }
        Ok(ids)
    }

    async fn delete(&self, endpoints: &[Uuid]) -> anyhow::Result<()> {
        for id in endpoints {
            self.request("DELETE", &format!("/api/v1/webhooks/{id}"), &Value::Null).await?;
        }
        Ok(())
    }

    async fn recover(&self, endpoint: Uuid) -> anyhow::Result<()> {
        let since = json!({ "since": chrono::Utc::now() - chrono::TimeDelta::hours(1) });
        self.request("POST", &format!("/api/v1/webhooks/{endpoint}/recover"), &since).await.map(drop)
    }

    async fn request(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request(method, path, &self.merchant.authorization(), &body);
        let mut connection = Connection::open(&self.merchant.address).await?;
        let answer = connection.exchange(&request).await?;
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path} answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        Ok(serde_json::from_slice(answer.body).unwrap_or_default())
    }
}
