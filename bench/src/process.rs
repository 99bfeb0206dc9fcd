//! Processes that end with the benchmark.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::http::{Connection, request};

/// How long something may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ticks of processor time a second; Linux has told programs 100 since there are vDSOs.
const TICKS_A_SECOND: u32 = 100;

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program; what it prints goes to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("{:?} cannot be started", command.get_program()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until something there answers a GET, or a JSON-RPC request where there is no path, with success.
    pub(crate) async fn answers(&mut self, address: &str, path: &str) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
        let question = if path == "/" { request("POST", path, "", body) } else { request("GET", path, "", "") };
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.exchange(&question).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.last_output());
            }
            if Instant::now() > until {
                bail!("{address}{path} does not answer: {}", self.last_output());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("it does not stop: {}", self.last_output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Processor time it has used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum::<u32>();
        Duration::from_secs(1) * ticks / TICKS_A_SECOND
    }

    /// The most memory that it has had at a time (Linux: `VmHWM`), MB.
    pub(crate) fn peak_memory_mb(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(peak.context("the kernel does not tell the peak of memory")?.parse::<u64>()? >> 10)
    }

    fn last_output(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release binary that lies beside this program, without the settings of its user.
pub(crate) fn quittance(data_dir: &Path, environment: &[(String, String)]) -> anyhow::Result<Command> {
    let binary = std::env::current_exe()?.with_file_name("quittance");
    if !binary.is_file() {
        bail!("{} is not there: cargo build --release --workspace --bins", binary.display());
    }
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QUITTANCE_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().cloned()).arg("--data-dir").arg(data_dir);
    Ok(command)
}

/// Anvil on this port.
pub(crate) fn anvil(port: u16, block_time_s: Option<u64>) -> Command {
    let mut command = Command::new(std::env::var("QUITTANCE_TEST_ANVIL").unwrap_or_else(|_| "anvil".to_owned()));
    command.args(["--port", &port.to_string(), "--silent"]);
    if let Some(seconds) = block_time_s {
        command.args(["--block-time", &seconds.to_string()]);
    }
    command
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
