//! How many calls an endpoint takes in one HTTP request.

use std::time::{Duration, Instant};

/// Calls in one HTTP request; hosted nodes refuse more than some hundreds.
const MAX: usize = 100;
/// How long after it asked for patience an endpoint gets larger batches again; doubled each time, up to an hour.
const PATIENCE: Duration = Duration::from_secs(60);

/// Falls when the endpoint refuses that many, down to one at a time.
#[derive(Debug)]
pub(super) struct BatchSize {
    most: usize,
    /// How often in a row a batch was answered with a call for patience.
    throttled: u32,
    /// From when on more may be tried. `None`: what it refused it will refuse again.
    more_from: Option<Instant>,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self { most: MAX, throttled: 0, more_from: None }
    }
}

impl BatchSize {
    /// How many of so many calls may go together now.
    pub(super) fn of(&mut self, calls: usize) -> usize {
        if self.more_from.is_some_and(|from| from <= Instant::now()) {
            self.most = (self.most * 2).min(MAX);
            self.more_from = (self.most < MAX).then(|| Instant::now() + PATIENCE);
        }
        self.most.clamp(1, calls.max(1))
    }

    /// It takes no batches, or none of this size.
    pub(super) fn refused(&mut self, size: usize) {
        (self.most, self.more_from) = ((size / 2).max(1), None);
    }

    /// What looked like a refusal of so many was one of each call.
    pub(super) fn wronged(&mut self, size: usize) {
        self.most = self.most.max(size);
    }

    /// It asked for patience, as some do whenever they get more than one call: half of it next time, and in the end one.
    pub(super) fn throttled(&mut self, size: usize) {
        let pause = PATIENCE.saturating_mul(1 << self.throttled.min(6)).min(Duration::from_secs(3_600));
        self.throttled = self.throttled.saturating_add(1);
        (self.most, self.more_from) = ((size / 2).max(1), Some(Instant::now() + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_to_one_and_rises_only_after_what_may_pass() {
        let mut size = BatchSize::default();
        assert_eq!((size.of(3), size.of(1_000)), (3, 100));
        for (asked, left) in [(100, 50), (50, 25), (3, 1)] {
            size.throttled(asked);
            assert_eq!(size.of(1_000), left);
        }
        size.more_from = Some(Instant::now());
        assert_eq!((size.of(1_000), size.of(1_000)), (2, 2), "one step at a time");
        size.refused(2);
        assert_eq!((size.of(1_000), size.more_from), (1, None));
        size.wronged(40);
        assert_eq!(size.of(1_000), 40);
    }
}
