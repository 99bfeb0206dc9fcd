//! A process of ours that ends with the test.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

pub(crate) struct Process(Child);

/// A command of the binary under test, without the settings of whoever runs the tests.
pub(crate) fn quittance(data_dir: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quittance"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QUITTANCE_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().cloned()).arg("--data-dir").arg(data_dir);
    command
}

impl Process {
    /// Starts it; its log goes to a file that tells why a test failed, and what it prints for a person to one beside it.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let open = |file: &Path| std::fs::File::options().create(true).append(true).open(file).unwrap();
        command.stdin(Stdio::null()).stdout(open(&log.with_extension("out"))).stderr(open(log));
        Self(command.spawn().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Stops it in its tracks (`STOP`), or lets it go on (`CONT`).
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {signal}");
    }

    /// Limits the size to which it may write any file; none lifts the limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &self.0.id().to_string(), &format!("--fsize={limit}:unlimited")]);
        assert!(prlimit.status().unwrap().success(), "prlimit --fsize={limit}");
    }

    /// Processor time it has used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let printed = Command::new("ps").args(["-o", "cputimes=", "-p", &self.0.id().to_string()]).output().unwrap();
        let seconds = String::from_utf8(printed.stdout).unwrap();
        Duration::from_secs(seconds.trim().parse().unwrap())
    }

    /// The most memory that it has had at a time (Linux: `VmHWM`), MB.
    pub(crate) fn peak_memory_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Asks it to stop, and waits for it.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(asked.success());
        let until = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not stop");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
