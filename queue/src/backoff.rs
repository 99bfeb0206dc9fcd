//! How long to wait after failures: the one policy of the product, and the only place that knows the `backoff` crate
//! (unmaintained, so it must be easy to replace).
//!
//! Every wait is drawn from nothing up to a bound that doubles with each failure ("full jitter"), so that a thousand that
//! failed together do not come back together.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff as _};

use crate::message::RetryPolicy;

/// How long to wait after so many failures in a row have come before this one: up to `first`, then up to twice that, and
/// so on, never longer than `longest`.
#[must_use]
pub fn delay(failures_before: u32, first: Duration, longest: Duration) -> Duration {
    let bound = first.saturating_mul(1 << failures_before.min(31)).min(longest);
    // The crate spreads by the factor around the interval: factor 1 around half the bound is 0 to the bound.
    let mut exponential = ExponentialBackoff {
        current_interval: bound / 2,
        randomization_factor: 1.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    exponential.next_backoff().unwrap_or(bound).min(bound)
}

/// The delay before a message's next attempt, after `attempts` have failed.
pub(crate) fn of_policy(policy: &RetryPolicy, attempts: u32) -> Duration {
    delay(attempts.saturating_sub(1), policy.first_delay, policy.delay_max)
}

/// Growing pauses of an agent that keeps trying until it succeeds: never gives up.
pub(crate) struct Pauses {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Pauses {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = delay(self.failures, self.first, self.longest);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_within_the_growing_bound_and_use_all_of_it() {
        let policy =
            RetryPolicy { attempts_max: 9, first_delay: Duration::from_millis(100), delay_max: Duration::from_secs(2) };
        for (attempts, bound_ms) in
            [(1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (40, 2_000), (u32::MAX, 2_000)]
        {
            let bound = Duration::from_millis(bound_ms);
            let delays: Vec<_> = (0..2_000).map(|_| of_policy(&policy, attempts)).collect();
            assert!(delays.iter().all(|delay| *delay <= bound), "attempt {attempts} exceeds {bound:?}");
            assert!(delays.iter().any(|delay| *delay < bound / 10), "attempt {attempts} never comes early");
            assert!(delays.iter().any(|delay| *delay > bound * 9 / 10), "attempt {attempts} never comes late");
        }
    }

    #[test]
    fn pauses_grow_to_the_longest_and_start_again() {
        let mut pauses = Pauses::new(Duration::from_millis(10), Duration::from_secs(1));
        let longest = (0..60).map(|_| pauses.next()).max().expect("sixty pauses");
        assert!(longest >= Duration::from_millis(500) && longest <= Duration::from_secs(1), "{longest:?}");
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(10));
    }
}
