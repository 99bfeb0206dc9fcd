//! How many replays a run's rate allows at the moment.

use std::time::Instant;

/// What one letter costs.
const LETTER: u64 = 1_000_000;

/// Grows with time at the run's rate, up to what a second allows: a run that had to wait does not catch up in one go.
pub(super) struct Allowance {
    rate_per_second: u64,
    /// Millionths of a letter.
    saved: u64,
    since: Instant,
}

impl Allowance {
    pub(super) fn of(rate_per_second: u32) -> Self {
        Self { rate_per_second: u64::from(rate_per_second), saved: LETTER, since: Instant::now() }
    }

    /// Letters that may go now.
    pub(super) fn letters(&mut self, now: Instant) -> u64 {
        let micros = u64::try_from(now.saturating_duration_since(self.since).as_micros()).unwrap_or(u64::MAX);
        let most = self.rate_per_second.max(1) * LETTER;
        self.saved = self.saved.saturating_add(micros.saturating_mul(self.rate_per_second)).min(most);
        self.since = now;
        self.saved / LETTER
    }

    pub(super) fn spend(&mut self, letters: u64) {
        self.saved = self.saved.saturating_sub(letters * LETTER);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let mut allowance = Allowance::of(20);
        let start = allowance.since;
        assert_eq!(allowance.letters(start), 1, "the first goes at once");
        allowance.spend(1);
        let mut gone = 0;
        for step in 1..=100 {
            let letters = allowance.letters(start + Duration::from_millis(30 * step));
            allowance.spend(letters);
            gone += letters;
        }
        assert_eq!(gone, 60, "three seconds");
        assert_eq!(allowance.letters(start + Duration::from_secs(3_600)), 20);
    }
}
