//! The timestamps of blocks: never behind the wall clock, always after the parent's. While a chain is set up they only
//! follow their parents', from a beginning in the past, so that many blocks at once do not run ahead of the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Decides the timestamp of each next block.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_s: u64,
    next: Option<u64>,
    setting_up: bool,
}

impl Clock {
    /// The timestamp of the block after one with this timestamp.
    pub(crate) fn timestamp(&self, parent: u64) -> u64 {
        if self.setting_up && self.next.is_none() {
            return parent + 1;
        }
        self.next.unwrap_or_else(|| self.now()).max(parent + 1)
    }

    /// The time by this clock, seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        wall_clock().saturating_add(self.offset_s)
    }

    /// Begins or ends setting up.
    pub(crate) fn set_up(&mut self, setting_up: bool) {
        self.setting_up = setting_up;
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
