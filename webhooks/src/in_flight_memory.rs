//! What all requests of a process may hold of its memory, and of the files that it may have open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Config;

/// What a request holds besides its body, KiB: the connection's buffers, TLS, and the answer of at most 64 KiB.
const REQUEST_KIB: usize = 128;

/// Shared by the lanes of a process. What each endpoint may always have is not counted, so that no endpoint, and no
/// number of them, can take from another what it needs to be sent to at all.
pub(crate) struct InFlightMemory(Arc<Semaphore>);

/// Room for one request, until its result is written down or it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl InFlightMemory {
    /// As much as the settings say, and no more requests than half of the files that may be open.
    pub(crate) fn new(config: &Config) -> Self {
        let memory_kib = config.in_flight_memory_mib.saturating_mul(1_024);
        let of_files = open_files_max().map_or(usize::MAX, |files| (files / 2).saturating_mul(REQUEST_KIB));
        Self(Arc::new(Semaphore::new(memory_kib.min(of_files).min(Semaphore::MAX_PERMITS))))
    }

    /// Room for a request with a body of so many bytes; none while the others have it all.
    pub(crate) fn take(&self, body: usize) -> Option<MemoryPermit> {
        let kib = u32::try_from(REQUEST_KIB + body.div_ceil(1_024)).unwrap_or(u32::MAX);
        Arc::clone(&self.0).try_acquire_many_owned(kib).ok().map(MemoryPermit)
    }
}

/// How many files this process may have open, where the system tells.
fn open_files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_large_bodies_take_more() {
        let in_flight_memory = InFlightMemory::new(&Config { in_flight_memory_mib: 1, ..Config::default() });
        let permits: Vec<MemoryPermit> = std::iter::from_fn(|| in_flight_memory.take(100)).collect();
        assert_eq!(permits.len(), 7, "1,024 KiB for 129 KiB each");
        drop(permits);
        assert!(in_flight_memory.take(700 * 1_024).is_some_and(|_| in_flight_memory.take(300 * 1_024).is_none()));
    }

    #[test]
    fn the_system_reports_how_many_files_may_be_open() {
        assert!(cfg!(not(target_os = "linux")) || open_files_max().is_some_and(|files| files > 0));
    }
}
