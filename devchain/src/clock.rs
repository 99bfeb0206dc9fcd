//! The timestamps of blocks: never behind the wall clock, always after the parent's.

use std::time::{SystemTime, UNIX_EPOCH};

/// Decides the timestamp of each next block.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_s: u64,
    next: Option<u64>,
}

impl Clock {
    /// The timestamp of the block after one with this timestamp.
    pub(crate) fn timestamp(&self, parent: u64) -> u64 {
        self.next.unwrap_or_else(|| wall_clock().saturating_add(self.offset_s)).max(parent + 1)
    }

    /// Tells that a block was made, so that a fixed timestamp is used only once. Later ones go on from it.
    pub(crate) fn block_made(&mut self, timestamp: u64) {
        if self.next.take().is_some() {
            self.offset_s = self.offset_s.max(timestamp.saturating_sub(wall_clock()));
        }
    }

    /// Moves the clock forward; answers how far ahead it is now.
    pub(crate) fn advance(&mut self, seconds: u64) -> u64 {
        self.offset_s = self.offset_s.saturating_add(seconds);
        self.offset_s
    }

    /// Fixes the next block's timestamp.
    pub(crate) fn fix(&mut self, timestamp: u64) {
        self.next = Some(timestamp);
    }
}

/// Seconds since 1970.
pub(crate) fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|elapsed| elapsed.as_secs()).unwrap_or_default()
}
