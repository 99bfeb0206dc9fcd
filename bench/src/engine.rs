//! The real engine for a benchmark: PostgreSQL with a database of its own, RabbitMQ with a prefix of its own, Anvil.

use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;
use fixtures::{TestDatabase, amqp_url};
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, anvil, free_port, quittance};

/// What a benchmark runs on.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// SQLite and the broker in the process
    Embedded,
    /// PostgreSQL and RabbitMQ
    Engine,
}

/// An installation that is set up and not started yet.
pub(crate) struct Engine {
    pub(crate) bootstrap: Value,
    /// The address of the API, once it is started.
    pub(crate) address: String,
    pub(crate) processes: Vec<Process>,
    pub(crate) database: TestDatabase,
    _anvil: Process,
    environment: Vec<(String, String)>,
    prefix: String,
    pub(crate) folder: TempDir,
}

impl Engine {
    /// Makes the database, starts Anvil and bootstraps.
    pub(crate) async fn set_up(block_time_s: Option<u64>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let rpc_port = free_port()?;
        let mut anvil = Process::start(anvil(rpc_port, block_time_s), &folder.path().join("anvil.log"))?;
        anvil.answers(&format!("127.0.0.1:{rpc_port}"), "/").await?;
        let database = TestDatabase::new(fixtures::Backend::Postgres).await;
        let prefix = format!("quittance_bench_{}", uuid::Uuid::now_v7().simple());
        let environment = [
            ("QUITTANCE_DATABASE__URL", database.config.url.expose_secret().to_owned()),
            ("QUITTANCE_BROKER__URL", amqp_url()),
            ("QUITTANCE_BROKER__PREFIX", prefix.clone()),
        ];
        let environment: Vec<_> = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let bootstrap = bootstrap(folder.path(), &environment, &format!("http://127.0.0.1:{rpc_port}")).await?;
        let address = format!("127.0.0.1:{}", free_port()?);
        Ok(Self { bootstrap, address, processes: Vec::new(), database, _anvil: anvil, environment, prefix, folder })
    }

    /// Sets a variable of the processes that are started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the API, and this many workers.
    pub(crate) async fn start(&mut self, workers: usize) -> anyhow::Result<()> {
        let mut api = quittance(self.folder.path(), &self.environment)?;
        api.args(["api", "--listen", &self.address]);
        let mut api = Process::start(api, &self.folder.path().join("api.log"))?;
        api.answers(&self.address, "/health/ready").await?;
        self.processes.push(api);
        for number in 0..workers {
            let mut worker = quittance(self.folder.path(), &self.environment)?;
            worker.arg("worker");
            let log = self.folder.path().join(format!("worker-{number}.log"));
            self.processes.push(Process::start(worker, &log)?);
        }
        Ok(())
    }

    /// Stops everything and leaves nothing behind on the servers.
    pub(crate) async fn clean_up(self) -> anyhow::Result<()> {
        for process in self.processes {
            process.stop().await?;
        }
        let connection = Connection::connect(&amqp_url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        for queue in payments::jobs::QUEUES.iter().copied().chain(["dead"]) {
            let _ =
                channel.queue_delete(format!("{}.{queue}", self.prefix).into(), QueueDeleteOptions::default()).await;
        }
        for exchange in ["jobs", "events", "dead"] {
            let name = format!("{}.{exchange}", self.prefix);
            let _ = channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await;
        }
        let _ = connection.close(200, "bye".into()).await;
        Ok(())
    }
}

async fn bootstrap(folder: &Path, environment: &[(String, String)], rpc_url: &str) -> anyhow::Result<Value> {
    let mut command = quittance(folder, environment)?;
    command.args(["bootstrap", "--json", "--testnet", "--rpc-url", rpc_url]);
    let printed = tokio::task::spawn_blocking(move || command.output()).await?.context("quittance bootstrap")?;
    if !printed.status.success() {
        bail!("quittance bootstrap: {}", String::from_utf8_lossy(&printed.stderr));
    }
    Ok(serde_json::from_slice(&printed.stdout)?)
}
