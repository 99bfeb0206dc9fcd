//! What the system says of this process, as far as it has `/proc`.

use std::{
    fs,
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::Meter;

/// The figures of the process.
pub const METERS: &[Meter] = &[
    Meter::sampled("quittance_process_start_time_seconds", "When the process started, seconds since 1970", &[]),
    Meter::sampled("quittance_process_memory_bytes", "Memory that the process has in use (resident)", &[]),
    Meter::sampled("quittance_process_open_files", "Files and connections that the process has open", &[]),
    Meter::sampled("quittance_process_open_files_max", "How many of these the system lets it have open", &[]),
];

/// First asked for when the recorder is installed, which is within a moment of the start.
static STARTED: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Measures the process. A few small files of the system are read, so that it may be done for each scrape.
pub fn sample() {
    let started = STARTED.duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("quittance_process_start_time_seconds").set(started.as_secs_f64());
    if let Some(memory) = resident_kib(&read("/proc/self/status")) {
        metrics::gauge!("quittance_process_memory_bytes").set(exact(memory.saturating_mul(1_024)));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let open = open.count().saturating_sub(1);
        metrics::gauge!("quittance_process_open_files").set(exact(u64::try_from(open).unwrap_or(u64::MAX)));
    }
    if let Some(most) = open_files_max(&read("/proc/self/limits")) {
        metrics::gauge!("quittance_process_open_files_max").set(exact(most));
    }
}

/// An empty text where the system has no such file.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The soft limit; nothing where there is none.
fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; a few bytes in petabytes do not matter")]
fn exact(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_are_understood() {
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t   41984 kB\n"), Some(41_984));
        assert_eq!(
            open_files_max("Limit  Soft  Hard\nMax open files            1024    524288    files\n"),
            Some(1_024)
        );
        assert_eq!(open_files_max("Max open files            unlimited    unlimited    files\n"), None);
        assert_eq!(resident_kib(""), None);
    }
}
