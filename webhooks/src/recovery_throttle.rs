//! How fast what recoveries have released is sent, beside what is due now: as fast as nobody minds.
//!
//! A recovery may release a hundred thousand events at once, and sending them takes the machine and the database as much
//! as sending new ones does. So they have a rate, for all endpoints of a process together, which falls by half whenever
//! some endpoint falls behind with what is due now, and rises again while none does.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// Released events a second at the start.
const START: u32 = 500;

/// Released events a second at least: a recovery ends, however busy the rest is.
const LEAST: u32 = 200;

/// Released events a second at most: more than any process sends.
const MOST: u32 = 50_000;

/// How often the rate changes at most.
const STEP: Duration = Duration::from_millis(100);

/// How long nobody must have been behind before it rises.
const QUIET: Duration = Duration::from_millis(500);

/// How much may be caught up after a pause.
const CATCH_UP: Duration = Duration::from_millis(100);

/// Shared by the lanes of a process.
#[derive(Default)]
pub(crate) struct RecoveryThrottle(Mutex<Pace>);

struct Pace {
    per_second: u32,
    next: Option<Instant>,
    changed: Option<Instant>,
    behind: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { per_second: START, next: None, changed: None, behind: None }
    }
}

impl RecoveryThrottle {
    /// Halves the rate, because an endpoint is behind with what is due now.
    pub(crate) fn behind(&self, now: Instant) {
        let mut pace = self.pace();
        pace.behind = Some(now);
        if pace.changes(now) {
            pace.per_second = (pace.per_second / 2).max(LEAST);
        }
    }

    /// Lets one be sent that a recovery has released.
    ///
    /// # Errors
    /// The time from which the next may be sent.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut pace = self.pace();
        if pace.behind.is_none_or(|behind| now.saturating_duration_since(behind) >= QUIET) && pace.changes(now) {
            pace.per_second = (pace.per_second + pace.per_second / 5).min(MOST);
        }
        if let Some(next) = pace.next.filter(|next| *next > now) {
            return Err(next);
        }
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let from = pace.next.map_or(now, |next| next.max(earliest));
        pace.next = Some(from + Duration::from_secs(1) / pace.per_second);
        Ok(())
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Pace {
    fn changes(&mut self, now: Instant) -> bool {
        let due = self.changed.is_none_or(|changed| now.saturating_duration_since(changed) >= STEP);
        if due {
            self.changed = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many were sent in so many seconds, asked for every millisecond.
    fn sent(recovery_throttle: &RecoveryThrottle, start: Instant, seconds: u64, busy: bool) -> usize {
        let moments = (0..seconds * 1_000).map(|place| start + Duration::from_millis(place));
        moments
            .map(|now| {
                if busy {
                    recovery_throttle.behind(now);
                }
                std::iter::from_fn(|| recovery_throttle.take(now).ok()).count()
            })
            .sum()
    }

    #[test]
    fn released_events_are_slow_beside_others_and_fast_alone() {
        let (recovery_throttle, start) = (RecoveryThrottle::default(), Instant::now());
        let busy = sent(&recovery_throttle, start, 10, true);
        assert!((1_900..3_000).contains(&busy), "{busy}");
        let alone = sent(&recovery_throttle, start + Duration::from_secs(10), 10, false);
        assert!(alone > 50_000, "{alone}");
        let again = sent(&recovery_throttle, start + Duration::from_secs(20), 10, true);
        assert!(again < 20_000, "it gives way within a second: {again}");
    }
}
