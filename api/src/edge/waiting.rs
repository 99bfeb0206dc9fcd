//! Requests that wait for a worker: they poll a row with pauses in between, and are answered when the time was not enough.

use std::time::Duration;

use tokio::time::Instant;

use crate::problem::{Code, Problem};

/// The pauses between polls of a row, for a limited time. A caller holds no lock and no transaction while it waits.
pub(crate) struct Waiting {
    until: Instant,
    pause: Duration,
    pause_max: Duration,
}

impl Waiting {
    /// Waits so long at most, with pauses of one length.
    pub(crate) fn new(longest: Duration, pause: Duration) -> Self {
        Self { until: Instant::now() + longest, pause, pause_max: pause }
    }

    /// Lets each pause be half as long again as the one before, up to this length.
    pub(crate) fn slowing_to(self, pause_max: Duration) -> Self {
        Self { pause_max, ..self }
    }

    /// Pauses, unless the time is over. The last pause ends with the time, so that one poll follows it.
    pub(crate) async fn pause(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 3 / 2).min(self.pause_max);
        true
    }
}

/// The answer when the worker, or whom it waits for, was slower than the request: the same request finds later what has
/// become of it. Each contract has its own sentence and time.
pub(crate) fn not_yet(detail: impl Into<String>, retry_after_s: u64) -> Problem {
    Problem::new(Code::Unavailable).detail(detail).retry_after(retry_after_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_until_the_time_is_over() {
        let started = Instant::now();
        let mut waiting = Waiting::new(Duration::from_millis(50), Duration::from_millis(40));
        while waiting.pause().await {}
        assert!(started.elapsed() >= Duration::from_millis(50));
        assert!(!Waiting::new(Duration::ZERO, Duration::from_millis(40)).pause().await);
    }

    #[tokio::test]
    async fn pauses_grow_to_their_limit() {
        let (first, longest) = (Duration::from_micros(10), Duration::from_micros(30));
        let mut waiting = Waiting::new(Duration::from_secs(10), first).slowing_to(longest);
        let mut lengths = Vec::new();
        for _ in 0..5 {
            lengths.push(waiting.pause.as_micros());
            assert!(waiting.pause().await);
        }
        assert_eq!(lengths, [10, 15, 22, 30, 30]);
    }
}
