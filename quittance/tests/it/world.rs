//! An installation with everything around it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use fixtures::{Backend, TestDatabase, amqp_url};
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use queue::{Database, DatabaseConfig};
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    process::{Process, quittance},
    vigil::Vigil,
};

pub(crate) struct World {
    pub(crate) bootstrap: Value,
    pub(crate) base_url: String,
    /// The api or the whole, then the workers.
    pub(crate) processes: Vec<Process>,
    pub(crate) environment: Vec<(String, String)>,
    /// What each process was started with.
    launches: Vec<Launch>,
    /// What none of the logs may tell.
    pub(crate) vigil: Vigil,
    engine: Option<Engine>,
    /// Where the data folder is, when it is not where the logs are.
    disk: Option<PathBuf>,
    /// Whether processes survive the limit of a file's size, for which systems end others.
    shielded: bool,
    folder: TempDir,
}

/// How a process is started, for the first time or again.
struct Launch {
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
}

/// What the embedded default does without.
struct Engine {
    broker_url: String,
    prefix: String,
    database: TestDatabase,
    node: Process,
}

impl Engine {
    /// Whether the broker is everybody's, and has to be left as it was found.
    fn shares_its_broker(&self) -> bool {
        self.broker_url == amqp_url()
    }
}

impl World {
    /// `quittance` alone.
    pub(crate) async fn embedded() -> Self {
        Self::embedded_with(&[]).await
    }

    /// The same with settings (`QUITTANCE_…`) of its own.
    pub(crate) async fn embedded_with(settings: &[(&str, &str)]) -> Self {
        Self::embedded_at(None, settings).await
    }

    /// The same with its data in a folder that the test has made.
    pub(crate) async fn embedded_at(disk: Option<PathBuf>, settings: &[(&str, &str)]) -> Self {
        let mut world = Self {
            bootstrap: Value::Null,
            base_url: String::new(),
            processes: Vec::new(),
            environment: environment(settings),
            launches: Vec::new(),
            vigil: Vigil::default(),
            engine: None,
            disk,
            shielded: true,
            folder: tempfile::tempdir().unwrap(),
        };
        world.start_embedded().await;
        world
    }

    /// One `api` and two `worker` processes on PostgreSQL, RabbitMQ and Anvil.
    pub(crate) async fn engine() -> Self {
        Self::engine_with(&[], 2).await
    }

    /// The same with settings (`QUITTANCE_…`) and a number of workers of its own, the first of which tells its health.
    pub(crate) async fn engine_with(settings: &[(&str, &str)], workers: usize) -> Self {
        let mut world = Self::on(TestDatabase::new(Backend::Postgres).await, amqp_url(), settings).await;
        world.start_api(&[]).await;
        world.start_worker(&[]).await;
        for _ in 1..workers {
            world.start(&["worker"]);
        }
        world
    }

    /// An installation on these servers and a new Anvil, bootstrapped, with no process running yet.
    pub(crate) async fn on(database: TestDatabase, broker_url: String, settings: &[(&str, &str)]) -> Self {
        let (folder, vigil) = (tempfile::tempdir().unwrap(), Vigil::default());
        let prefix = format!("quittance_test_{}", uuid::Uuid::now_v7().simple());
        let anvil_port = free_port();
        let mut anvil = Command::new(std::env::var("QUITTANCE_TEST_ANVIL").unwrap_or("anvil".to_owned()));
        anvil.args(["--port", &anvil_port.to_string(), "--block-time", "1", "--silent"]);
        let anvil = Process::start(anvil, &folder.path().join("anvil.log"));
        let database_url = database.config.url.expose_secret();
        vigil.keep_password(database_url);
        vigil.keep_password(&broker_url);
        let mut environment = environment(settings);
        environment.extend(owned(&[
            ("QUITTANCE_DATABASE__URL", database_url),
            ("QUITTANCE_BROKER__URL", &broker_url),
            ("QUITTANCE_BROKER__PREFIX", &prefix),
        ]));
        // Hosted nodes have their key in the URL.
        let key = uuid::Uuid::now_v7().simple().to_string();
        vigil.keep(&key);
        let rpc_url = format!("http://127.0.0.1:{anvil_port}/?key={key}");
        wait_for(&rpc_url).await;
        let mut bootstrap = quittance(folder.path(), &environment);
        bootstrap.args(["bootstrap", "--json", "--testnet", "--rpc-url", &rpc_url]);
        // Waiting for it here would hold up whatever else this task does, such as starting a second installation.
        let printed = tokio::task::spawn_blocking(move || bootstrap.output().unwrap()).await.unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let world = Self {
            bootstrap: serde_json::from_slice(&printed.stdout).unwrap(),
            base_url: String::new(),
            processes: Vec::new(),
            environment,
            launches: Vec::new(),
            vigil,
            engine: Some(Engine { broker_url, prefix, database, node: anvil }),
            disk: None,
            shielded: false,
            folder,
        };
        world.keep_secrets();
        world
    }

    /// Starts an `api` process with settings of its own and waits until it is ready.
    pub(crate) async fn start_api(&mut self, settings: &[(&str, &str)]) {
        let port = free_port();
        self.base_url = format!("http://127.0.0.1:{port}");
        self.start_with(&["api", "--listen", &format!("127.0.0.1:{port}")], settings);
        self.wait_until_ready().await;
    }

    /// Starts a `worker` process with settings of its own, waits until it is ready and returns where its health is.
    pub(crate) async fn start_worker(&mut self, settings: &[(&str, &str)]) -> String {
        let health = format!("127.0.0.1:{}", free_port());
        self.start_with(&["worker", "--listen-health", &health], settings);
        wait_for(&format!("http://{health}/health/ready")).await;
        format!("http://{health}")
    }

    /// The network's node, where it is a process of its own.
    pub(crate) fn node(&self) -> &Process {
        &self.engine.as_ref().unwrap().node
    }

    /// RabbitMQ's name of a queue.
    pub(crate) fn rabbit_name(&self, queue: &str) -> String {
        format!("{}.{queue}", self.engine.as_ref().unwrap().prefix)
    }

    /// Starts the embedded default on its data folder, for the first time or again.
    pub(crate) async fn start_embedded(&mut self) {
        let started = Instant::now();
        let port = free_port();
        self.base_url = format!("http://127.0.0.1:{port}");
        self.start(&["--listen", &format!("127.0.0.1:{port}")]);
        self.wait_until_ready().await;
        assert!(started.elapsed() < Duration::from_secs(60), "not ready after {:?}", started.elapsed());
        let text = std::fs::read(self.data_dir().join("bootstrap.json")).unwrap();
        self.bootstrap = serde_json::from_slice(&text).unwrap();
        assert_eq!(self.bootstrap["base_url"], self.base_url);
        self.keep_secrets();
    }

    /// Everything that was made at the start.
    fn keep_secrets(&self) {
        self.vigil.keep_all(&self.bootstrap);
        let secrets = std::fs::read(self.data_dir().join("secrets.json")).unwrap();
        self.vigil.keep_all(&serde_json::from_slice(&secrets).unwrap());
    }

    /// The secrets that logs tell; there must be none, nor in what the processes print, short of what the embedded
    /// default shows to whoever starts it.
    pub(crate) fn betrayals(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let logs = files.filter(|file| {
            let extension = file.extension().unwrap_or_default();
            extension == "log" || (extension == "out" && self.engine.is_some())
        });
        logs.flat_map(|log| self.vigil.found_in_file(&log)).collect()
    }

    /// The key of a signer of the installation.
    pub(crate) async fn signing_key(&self, address: alloy::primitives::Address) -> PrivateKeySigner {
        let secrets: Value =
            serde_json::from_slice(&std::fs::read(self.data_dir().join("secrets.json")).unwrap()).unwrap();
        let password = secrets["keystore_password"].as_str().unwrap().to_owned();
        let keystore = chain::Keystore::open(&self.data_dir().join("keystore"), password.into(), 12).unwrap();
        keystore.signer(address).await.unwrap()
    }

    /// Keeps the signing keys too, which are only in encrypted files. Needs a runtime of its own.
    fn keep_signing_keys(&self) {
        let secrets: Value =
            serde_json::from_slice(&std::fs::read(self.data_dir().join("secrets.json")).unwrap()).unwrap();
        let password = secrets["keystore_password"].as_str().unwrap_or_default().to_owned();
        let (folder, vigil) = (self.data_dir().join("keystore"), self.vigil.clone());
        let kept = std::thread::spawn(move || {
            let keystore = chain::Keystore::open(&folder, password.into(), 12).unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            for address in keystore.list().unwrap() {
                let signer = runtime.block_on(keystore.signer(address)).unwrap();
                vigil.keep(&alloy::hex::encode(signer.to_bytes()));
            }
        });
        kept.join().unwrap();
    }

    /// Starts everything again, with this configuration file.
    pub(crate) async fn restart_with(&mut self, config: &Path) {
        let option = ["--config".to_owned(), config.to_str().unwrap().to_owned()];
        for index in 0..self.processes.len() {
            self.launches[index].arguments.splice(0..0, option.clone());
            self.processes[index].kill();
            self.start_again(index);
        }
        self.recovered().await;
    }

    /// Waits until what was started again answers, and reads where things are now.
    pub(crate) async fn recovered(&mut self) {
        self.wait_until_ready().await;
        if self.engine.is_none() {
            let text = std::fs::read(self.data_dir().join("bootstrap.json")).unwrap();
            self.bootstrap = serde_json::from_slice(&text).unwrap();
        }
    }

    /// What a process has printed, in all its lives.
    pub(crate) fn log(&self, index: usize) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{index}.log"))).unwrap_or_default()
    }

    pub(crate) async fn wait_until_ready(&self) {
        wait_for(&format!("{}/health/ready", self.base_url)).await;
    }

    pub(crate) fn start(&mut self, arguments: &[&str]) {
        self.start_with(arguments, &[]);
    }

    fn start_with(&mut self, arguments: &[&str], settings: &[(&str, &str)]) {
        self.launches.truncate(self.processes.len());
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.launches.push(Launch { arguments, settings: owned(settings) });
        let process = self.launch(self.processes.len());
        self.processes.push(process);
    }

    /// Starts a process that has died once more, as it was started before.
    pub(crate) fn start_again(&mut self, index: usize) {
        self.processes[index] = self.launch(index);
    }

    fn launch(&self, index: usize) -> Process {
        let Launch { arguments, settings } = &self.launches[index];
        let mut command = self.command();
        command.args(arguments).envs(settings.iter().map(|(name, value)| (name, value)));
        command.env("QUITTANCE_TEST_KILL_AT", self.kill_file(index));
        let command = if self.shielded { shielded(&command) } else { command };
        Process::start(command, &self.folder.path().join(format!("{index}.log")))
    }

    /// Where a process looks for the place to die at.
    fn kill_file(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("{index}.kill"))
    }

    /// Kills what works, which embedded is everything, and starts it again.
    pub(crate) fn kill_workers(&mut self) {
        let workers = if self.processes.len() == 1 { 0..1 } else { 1..self.processes.len() };
        for index in workers {
            self.processes[index].kill();
            self.start_again(index);
        }
    }

    /// Tells a process where to die. One that runs has understood it when the file is gone.
    pub(crate) fn doom(&self, index: usize, point: &str) {
        let (file, draft) = (self.kill_file(index), self.folder.path().join(format!("{index}.draft")));
        std::fs::write(&draft, point).unwrap();
        std::fs::rename(draft, file).unwrap();
    }

    pub(crate) async fn until_doomed(&self, index: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.kill_file(index).exists() {
            assert!(
                Instant::now() < until,
                "the process does not look for where to die: was it built with failpoints?"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A command on this installation.
    pub(crate) fn command(&self) -> Command {
        quittance(&self.data_dir(), &self.environment)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.disk.clone().unwrap_or(self.folder.path().to_owned())
    }

    /// What names everything of this installation on the broker; none where there is no broker.
    pub(crate) fn broker_prefix(&self) -> Option<&str> {
        self.engine.as_ref().map(|engine| engine.prefix.as_str())
    }

    /// The database, past the processes. What is enqueued here, they find.
    pub(crate) async fn database(&self) -> Database {
        let file = self.data_dir().join("quittance.db");
        let url = match &self.engine {
            Some(engine) => engine.database.config.url.clone(),
            None => format!("sqlite://{}", file.display()).into(),
        };
        let config =
            DatabaseConfig { url, connections_max: 2, acquire_timeout_ms: 30_000, ..DatabaseConfig::default() };
        let (db, _) = Database::connect(&config).await.unwrap();
        db
    }

    /// Where money is not money: the development chain or Anvil.
    pub(crate) fn playground(&self) -> &Value {
        if self.engine.is_some() { &self.bootstrap["testnet"] } else { &self.bootstrap["devchain"] }
    }

    /// What the processes printed, for the message of a failing test.
    pub(crate) fn logs(&self) -> String {
        let logs = (0..self.processes.len().max(1)).map(|index| {
            let text = self.log(index);
            let lines: Vec<&str> = text.lines().collect();
            format!("--- process {index}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
        });
        logs.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.processes.clear();
        if !std::thread::panicking() {
            self.keep_signing_keys();
            assert!(self.vigil.len() > 5, "there are secrets to look for");
            assert_eq!(self.betrayals(), Vec::<String>::new(), "logs tell secrets");
        }
        let Some(engine) = self.engine.take() else { return };
        if !engine.shares_its_broker() {
            return;
        }
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(clean_rabbit(&engine.prefix));
            drop(engine);
        });
        cleaned.join().unwrap();
    }
}

/// Everything is logged that ever may be, and pools are small: several installations share one server, which lets 100
/// connections in.
fn environment(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let always = [("QUITTANCE_LOG__FILTER", "debug"), ("QUITTANCE_DATABASE__CONNECTIONS_MAX", "8")];
    owned(&[&always, settings].concat())
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

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The same command, which is told of a file's limit by an error and not by its end.
fn shielded(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something there answers a request with success.
async fn wait_for(url: &str) {
    let http = crate::merchant::http();
    let until = Instant::now() + Duration::from_secs(90);
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
