//! A Prometheus that watches processes by the rules of this repository.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    merchant::http,
    process::Process,
    world::{World, free_port},
};

const RULES: &str = include_str!("../../../ops/prometheus/rules.yml");

/// Scrapes and evaluates every second.
pub(crate) struct Prometheus {
    url: String,
    folder: TempDir,
    _process: Process,
}

impl Prometheus {
    /// Watches what serves metrics at these URLs. The alerts are those of the repository, but do not wait until they have
    /// lasted for a while: tests have less time.
    pub(crate) async fn watching(urls: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at_once: String = RULES
            .lines()
            .filter(|line| !line.trim_start().starts_with("for: "))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(folder.path().join("rules.yml"), at_once).unwrap();
        let targets: Vec<&str> = urls.iter().map(|url| url.trim_start_matches("http://")).collect();
        let config = serde_json::json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": ["rules.yml"],
            "scrape_configs": [{ "job_name": "quittance", "static_configs": [{ "targets": targets }] }],
        });
        // JSON is YAML.
        std::fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let inside = |name: &str| folder.path().join(name).display().to_string();
        let mut command = Command::new(program());
        command.args(["--config.file", &inside("prometheus.yml"), "--storage.tsdb.path", &inside("data")]);
        command.args(["--web.listen-address", &address, "--log.level", "warn"]);
        let process = Process::start(command, &folder.path().join("prometheus.log"));
        let prometheus = Self { url: format!("http://{address}"), folder, _process: process };
        prometheus.wait_until("it scrapes everything", async || prometheus.up().await == targets.len()).await;
        prometheus
    }

    /// Waits until an alert fires.
    pub(crate) async fn fires(&self, world: &World, alert: &str) {
        let fires = async || self.firing().await.contains(alert);
        self.wait_until(&format!("{alert} fires\n{}", world.logs()), fires).await;
    }

    /// The alerts that fire now.
    pub(crate) async fn firing(&self) -> BTreeSet<String> {
        let answer = self.get("alerts").await;
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// How many processes it could scrape the last time.
    async fn up(&self) -> usize {
        let answer = self.get("query?query=up%20%3D%3D%201").await;
        answer["data"]["result"].as_array().map_or(0, Vec::len)
    }

    /// Null as long as it does not answer.
    async fn get(&self, path: &str) -> Value {
        match http().get(format!("{}/api/v1/{path}", self.url)).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    async fn wait_until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let until = Instant::now() + Duration::from_secs(90);
        while !holds().await {
            let log = std::fs::read_to_string(self.folder.path().join("prometheus.log")).unwrap_or_default();
            assert!(Instant::now() < until, "not before the deadline: {what}\n{log}\n{:?}", self.firing().await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Where a variable says, else on the path.
fn program() -> PathBuf {
    let folder = std::env::var_os("QUITTANCE_TEST_PROMETHEUS_BIN").map(PathBuf::from);
    folder.map_or_else(|| "prometheus".into(), |folder| folder.join("prometheus"))
}
