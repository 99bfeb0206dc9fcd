//! `bench deals`: from created to open on Anvil with one signer, beside a bare sender of one deal a transaction.

mod bare_sender;

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use alloy::primitives::{B256, keccak256};
use anyhow::{Context, bail};
use clap::Args;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::json;

use self::bare_sender::BareSender;
use crate::{
    engine::Engine,
    figures::{median, rate, ratio},
    http::Connection,
    load::{self, Limits},
    merchant::Merchant,
    print_line,
    process::Process,
};

/// Batches must beat the sender that has none.
const TARGET: f64 = 1.0;

/// How long all deals of a round may take.
const OPEN_WITHIN: Duration = Duration::from_secs(300);

#[derive(Args)]
pub(crate) struct Options {
    /// Payments of each round
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    payments: u64,
    /// Connections that create them
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=90))]
    connections: u64,
    /// Times that both are measured; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    rounds: u64,
    /// Seconds between Anvil's blocks; without it every transaction is mined as soon as it arrives
    #[arg(long)]
    block_time: Option<u64>,
}

struct Bench<'a> {
    options: &'a Options,
    engine: &'a Engine,
    merchant: Rc<Merchant>,
    bare: BareSender,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    tokio::task::LocalSet::new().run_until(on_an_engine(options)).await
}

async fn on_an_engine(options: &Options) -> anyhow::Result<()> {
    let mut engine = Engine::set_up(options.block_time).await?;
    let measured = async {
        engine.start(1).await?;
        let merchant = Rc::new(Merchant::sign_in(&engine.address, &engine.bootstrap).await?);
        let bare = BareSender::start(options.block_time).await?;
        Bench { options, engine: &engine, merchant, bare }.run().await
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
        let Options { payments, rounds, block_time, .. } = self.options;
        let mining = block_time.map_or("mining at once".to_owned(), |seconds| format!("a block every {seconds} s"));
        print_line(&format!(
            "deals on Anvil, {mining}: {payments} payments, one api, one worker, one signer, {rounds} rounds"
        ));
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for number in 1..=*rounds {
            let used = self.processor_time();
            let (created_in, open_in) = self.open(&format!("round-{number}")).await?;
            let count = usize::try_from(*payments)?;
            ours.push(rate(count, open_in));
            let used = (self.processor_time().saturating_sub(used)).as_secs_f64();
            let bare_in = self.bare.send(count).await?;
            bare.push(rate(count, bare_in));
            print_line(&format!(
                "round {number}: all created after {:.1} s, all open after {:.1} s, {:.0} deals/s, processor {used:.1} s; bare \
                 sender {:.0} deals/s",
                created_in.as_secs_f64(),
                open_in.as_secs_f64(),
                rate(count, open_in),
                rate(count, bare_in),
            ));
        }
        self.check().await?;
        let (ours, bare) = (median(ours), median(bare));
        print_line(&format!("quittance    {ours:.0} deals/s from the first 201 to the last open"));
        print_line(&format!("bare sender  {bare:.0} deals/s, one a transaction, {} unmined", bare_sender::UNMINED));
        print_line(&ratio(ours, bare, TARGET));
        Ok(())
    }

    /// Creates payments and waits until all are open. Returns the times since the first 201.
    async fn open(&self, name: &str) -> anyhow::Result<(Duration, Duration)> {
        let requests = usize::try_from(self.options.payments)?;
        let connections = usize::try_from(self.options.connections)?;
        let limits = Limits { connections, requests, time: OPEN_WITHIN };
        let outcome = load::create_payments(&self.merchant, name, limits).await?;
        let first_at = outcome.first_at.context("nothing was accepted")?;
        let created_in = first_at.elapsed();
        if let Some(error) = outcome.first_error {
            bail!("{} of {requests} payments were not accepted: {error}", outcome.errors);
        }
        while self.count("status <> 'open'").await? > 0 {
            if first_at.elapsed() > OPEN_WITHIN {
                bail!("{} payments are not open after {OPEN_WITHIN:?}", self.count("status <> 'open'").await?);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok((created_in, first_at.elapsed()))
    }

    /// The chain has one deal for each payment and no other.
    async fn check(&self) -> anyhow::Result<()> {
        let playground = &self.engine.bootstrap["testnet"];
        let mut node = Connection::open(playground["rpc_url"].as_str().context("a node")?).await?;
        let event: B256 = keccak256("DealCreated(uint256,bytes32,address,address,uint256,uint64)");
        let filter = json!([{ "address": playground["diamond_address"], "topics": [event], "fromBlock": "0x0" }]);
        let logs = node.call("eth_getLogs", filter).await?;
        let logs = logs.as_array().context("logs")?;
        let refs: BTreeSet<_> = logs.iter().filter_map(|log| log["topics"][2].as_str()).collect();
        let payments = self.count("true").await?;
        if logs.len() != payments || refs.len() != payments {
            bail!("{payments} payments have {} deals, {} of them different", logs.len(), refs.len());
        }
        let transactions: BTreeSet<_> = logs.iter().filter_map(|log| log["transactionHash"].as_str()).collect();
        print_line(&format!(
            "checked: {payments} payments, {payments} deals, each once, in {} transactions",
            transactions.len()
        ));
        Ok(())
    }

    async fn count(&self, condition: &str) -> anyhow::Result<usize> {
        let sql = format!("SELECT count(*) AS count FROM payments WHERE {condition}");
        let row = self.engine.database.db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
        Ok(usize::try_from(row.context("a count")?.try_get::<i64>("", "count")?)?)
    }

    fn processor_time(&self) -> Duration {
        self.engine.processes.iter().map(Process::processor_time).sum()
    }
}
