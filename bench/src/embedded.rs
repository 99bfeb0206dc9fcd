//! The embedded default on a folder of its own.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, free_port, quittance};

/// A running embedded default.
pub(crate) struct Embedded {
    pub(crate) bootstrap: Value,
    pub(crate) address: String,
    pub(crate) processes: Vec<Process>,
    pub(crate) folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Embedded {
    /// Starts everything in one process; without `workers` starts it once, for its bootstrap, and then the API alone. The
    /// processes get these variables.
    pub(crate) async fn start(workers: bool, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut embedded = Self {
            bootstrap: Value::Null,
            address: format!("127.0.0.1:{}", free_port()?),
            processes: Vec::new(),
            folder: tempfile::tempdir()?,
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        let whole = embedded.process(&[]).await?;
        embedded.bootstrap = serde_json::from_slice(&std::fs::read(embedded.folder.path().join("bootstrap.json"))?)?;
        if workers {
            embedded.processes.push(whole);
        } else {
            whole.stop().await?;
            let api = embedded.process(&["api"]).await?;
            embedded.processes.push(api);
        }
        Ok(embedded)
    }

    pub(crate) fn database_file(&self) -> PathBuf {
        self.folder.path().join("quittance.db")
    }

    async fn process(&self, arguments: &[&str]) -> anyhow::Result<Process> {
        let mut command = quittance(self.folder.path(), &self.environment)?;
        command.args(["--listen", &self.address]).args(arguments);
        let mut process = Process::start(command, &self.folder.path().join("quittance.log"))?;
        process.answers(&self.address, "/health/ready").await?;
        Ok(process)
    }
}
