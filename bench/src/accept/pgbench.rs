//! PostgreSQL's own benchmark program with a script of ours.

use std::{io::Write, process::Command, time::Duration};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

/// pgbench against one database.
pub(super) struct Pgbench {
    url: String,
    script: NamedTempFile,
    clients: u64,
}

impl Pgbench {
    pub(super) fn new(url: &str, script: &str, clients: u64) -> anyhow::Result<Self> {
        let mut file = NamedTempFile::new()?;
        file.write_all(script.as_bytes())?;
        Ok(Self { url: url.to_owned(), script: file, clients })
    }

    /// Transactions a second, connecting not counted. Prepared statements, as the product uses them.
    pub(super) async fn measure(&self, time: Duration) -> anyhow::Result<f64> {
        let mut command = Command::new("pgbench");
        command.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "2"]);
        command.args(["--client", &self.clients.to_string(), "--time", &time.as_secs().to_string(), "--file"]);
        command.arg(self.script.path()).arg(&self.url);
        let printed = tokio::task::spawn_blocking(move || command.output())
            .await?
            .context("pgbench cannot be started; Debian has it in postgresql-client and postgresql")?;
        let (told, complaint) = (String::from_utf8_lossy(&printed.stdout), String::from_utf8_lossy(&printed.stderr));
        let tps = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        match tps {
            Some(tps) if printed.status.success() => Ok(tps),
            _ => bail!("pgbench: {told}{complaint}"),
        }
    }
}
