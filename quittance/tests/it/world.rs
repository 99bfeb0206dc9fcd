//! An installation with everything around it.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use fixtures::{Backend, TestDatabase, amqp_url};
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use queue::{Database, DatabaseConfig};
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, quittance};

pub(crate) struct World {
    pub(crate) bootstrap: Value,
    pub(crate) base_url: String,
    /// The api or the whole, then the workers.
    pub(crate) processes: Vec<Process>,
    pub(crate) environment: Vec<(String, String)>,
    engine: Option<Engine>,
    folder: TempDir,
}

/// What the embedded default does without.
struct Engine {
    prefix: String,
    database: TestDatabase,
    _anvil: Process,
}

impl World {
    /// `quittance` alone.
    pub(crate) async fn embedded() -> Self {
        let mut world = Self {
            bootstrap: Value::Null,
            base_url: String::new(),
            processes: Vec::new(),
            environment: Vec::new(),
            engine: None,
            folder: tempfile::tempdir().unwrap(),
        };
        world.start_embedded().await;
        world
    }

    /// One `api` and two `worker` processes on PostgreSQL, RabbitMQ and Anvil.
    pub(crate) async fn engine() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::new(Backend::Postgres).await;
        let prefix = format!("quittance_test_{}", uuid::Uuid::now_v7().simple());
        let anvil_port = free_port();
        let mut anvil = Command::new(std::env::var("QUITTANCE_TEST_ANVIL").unwrap_or("anvil".to_owned()));
        anvil.args(["--port", &anvil_port.to_string(), "--block-time", "1", "--silent"]);
        let anvil = Process::start(anvil, &folder.path().join("anvil.log"));
        let environment = [
            ("QUITTANCE_DATABASE__URL", database.config.url.expose_secret().to_owned()),
            ("QUITTANCE_BROKER__URL", amqp_url()),
            ("QUITTANCE_BROKER__PREFIX", prefix.clone()),
        ];
        let environment: Vec<_> = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let rpc_url = format!("http://127.0.0.1:{anvil_port}");
        wait_for(&rpc_url).await;
        let mut bootstrap = quittance(folder.path(), &environment);
        bootstrap.args(["bootstrap", "--json", "--rpc-url", &rpc_url]);
        let printed = bootstrap.output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let mut world = Self {
            bootstrap: serde_json::from_slice(&printed.stdout).unwrap(),
            base_url: String::new(),
            processes: Vec::new(),
            environment,
            engine: Some(Engine { prefix, database, _anvil: anvil }),
            folder,
        };
        let port = free_port();
        world.base_url = format!("http://127.0.0.1:{port}");
        world.start(&["api", "--listen", &format!("127.0.0.1:{port}")]);
        let health = free_port();
        world.start(&["worker", "--listen-health", &format!("127.0.0.1:{health}")]);
        world.start(&["worker"]);
        world.wait_until_ready().await;
        wait_for(&format!("http://127.0.0.1:{health}/health/ready")).await;
        world
    }

    /// Starts the embedded default on its data folder, for the first time or again.
    pub(crate) async fn start_embedded(&mut self) {
        let started = Instant::now();
        let port = free_port();
        self.base_url = format!("http://127.0.0.1:{port}");
        self.start(&["--listen", &format!("127.0.0.1:{port}")]);
        self.wait_until_ready().await;
        assert!(started.elapsed() < Duration::from_secs(10), "not ready after {:?}", started.elapsed());
        let text = std::fs::read(self.data_dir().join("bootstrap.json")).unwrap();
        self.bootstrap = serde_json::from_slice(&text).unwrap();
        assert_eq!(self.bootstrap["base_url"], self.base_url);
    }

    pub(crate) async fn wait_until_ready(&self) {
        wait_for(&format!("{}/health/ready", self.base_url)).await;
    }

    pub(crate) fn start(&mut self, arguments: &[&str]) {
        let mut command = self.command();
        command.args(arguments);
        let log = self.folder.path().join(format!("{}.log", self.processes.len()));
        self.processes.push(Process::start(command, &log));
    }

    /// A command on this installation.
    pub(crate) fn command(&self) -> Command {
        quittance(&self.data_dir(), &self.environment)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The database, past the processes. What is enqueued here, they find.
    pub(crate) async fn database(&self) -> Database {
        let file = self.data_dir().join("quittance.db");
        let url = match &self.engine {
            Some(engine) => engine.database.config.url.clone(),
            None => format!("sqlite://{}", file.display()).into(),
        };
        let (db, _) = Database::connect(&DatabaseConfig { url, ..DatabaseConfig::default() }).await.unwrap();
        db
    }

    /// Where money is not money: the development chain or Anvil.
    pub(crate) fn playground(&self) -> &Value {
        if self.engine.is_some() { &self.bootstrap["testnet"] } else { &self.bootstrap["devchain"] }
    }

    /// What the processes printed, for the message of a failing test.
    pub(crate) fn logs(&self) -> String {
        let logs = (0..self.processes.len().max(1)).map(|index| {
            let text = std::fs::read_to_string(self.folder.path().join(format!("{index}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("--- process {index}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
        });
        logs.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.processes.clear();
        let Some(engine) = self.engine.take() else { return };
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(clean_rabbit(&engine.prefix));
            drop(engine);
        });
        cleaned.join().unwrap();
    }
}

async fn clean_rabbit(prefix: &str) {
    let connection = Connection::connect(&amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in payments::jobs::QUEUES.iter().copied().chain(["dead"]) {
        let _ = channel.queue_delete(format!("{prefix}.{queue}").into(), QueueDeleteOptions::default()).await;
    }
    for exchange in ["jobs", "events", "dead"] {
        let _ = channel.exchange_delete(format!("{prefix}.{exchange}").into(), ExchangeDeleteOptions::default()).await;
    }
    let _ = connection.close(200, "bye".into()).await;
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something there answers a request with success.
async fn wait_for(url: &str) {
    let http = crate::merchant::http();
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
        let request = if url.ends_with("ready") { http.get(url) } else { http.post(url).json(&body) };
        if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        assert!(Instant::now() < until, "{url} does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
