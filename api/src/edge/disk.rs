//! Free space of the disks that this process writes to. What strangers send may not use up what merchants' payments need.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::problem::{Code, Problem};

/// How long one reading of the disks is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// `Retry-After` of a refusal, seconds: a person has to make room first.
const RETRY_AFTER_S: u64 = 60;

/// How much has to stay free.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskConfig {
    /// Below so much, MiB, what strangers send is answered 503.
    pub free_min_mib: u64,
    /// Below so much, MiB, new payments are, too. Those that were accepted go on.
    pub free_last_mib: u64,
    /// Folders on the disks that are meant; never read from a file.
    #[serde(skip)]
    pub folders: Vec<PathBuf>,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self { free_min_mib: 512, free_last_mib: 128, folders: Vec::new() }
    }
}

impl DiskConfig {
    pub(crate) fn mistakes(&self) -> Option<String> {
        let reversed = self.free_last_mib > self.free_min_mib;
        reversed.then(|| "disk.free_last_mib must be at most disk.free_min_mib".to_owned())
    }
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Nothing new may be stored.
    None,
    /// What strangers send is refused.
    Little,
    /// Everybody may store something.
    Enough,
}

/// How much room the configured folders' disks have, read anew when the last reading is too old.
pub(crate) struct Disk {
    config: DiskConfig,
    last_check: Mutex<Option<(Instant, Room)>>,
}

impl Disk {
    pub(crate) fn new(config: &DiskConfig) -> Self {
        Self { config: config.clone(), last_check: Mutex::default() }
    }

    /// Whether any disk is configured.
    pub(crate) fn is_watched(&self) -> bool {
        !self.config.folders.is_empty()
    }

    /// How much room there is on the fullest of them.
    pub(crate) fn room(&self) -> Room {
        let mut last_check = self.last_check.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, room)) = *last_check
            && at.elapsed() < BELIEVED
        {
            return room;
        }
        let free = self.config.folders.iter().filter_map(|folder| free_mib(folder)).min();
        let room = match free {
            Some(free) if free < self.config.free_last_mib => Room::None,
            Some(free) if free < self.config.free_min_mib => Room::Little,
            // A disk that cannot be read is no reason to refuse anybody.
            Some(_) | None => Room::Enough,
        };
        if let Some(free) = free {
            metrics::gauge!("quittance_disk_free_mib").set(f64::from(u32::try_from(free).unwrap_or(u32::MAX)));
        }
        if last_check.is_none_or(|(_, before)| before != room) && room != Room::Enough {
            tracing::error!(free_mib = free, "the disk is nearly full: what strangers send is refused");
        }
        *last_check = Some((Instant::now(), room));
        room
    }

    /// Refuses a request that needs more room than there is.
    pub(crate) fn admit(&self, needed: Room) -> Result<(), Problem> {
        if !self.is_watched() || self.room() >= needed {
            return Ok(());
        }
        metrics::counter!("quittance_disk_refused_total").increment(1);
        let problem = Problem::new(Code::Unavailable).detail("There is no room to store this at the moment");
        Err(problem.retry_after(RETRY_AFTER_S))
    }
}

/// What is free for this process, MiB; none where the folder cannot be read, such as before it is made.
fn free_mib(folder: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(free_min_mib: u64, free_last_mib: u64) -> Disk {
        let folders = vec![std::env::temp_dir(), PathBuf::from("/nowhere at all")];
        Disk::new(&DiskConfig { free_min_mib, free_last_mib, folders })
    }

    #[test]
    fn strangers_are_refused_before_merchants() {
        let admitted = |disk: &Disk| {
            [Room::Enough, Room::Enough, Room::Little, Room::None].map(|needed| disk.admit(needed).is_ok())
        };
        assert_eq!(admitted(&disk(0, 0)), [true; 4]);
        assert_eq!(admitted(&disk(u64::MAX, 0)), [false, false, true, true]);
        assert_eq!(admitted(&disk(u64::MAX, u64::MAX)), [false, false, false, true]);
    }
}
