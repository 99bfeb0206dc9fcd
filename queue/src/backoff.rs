//! Waiting times, the only place that knows the `backoff` crate (unmaintained, so it must be easy to replace).

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff as _};

use crate::message::RetryPolicy;

/// The delay before the next attempt, after `attempts` have failed: anything between nothing and the policy's
/// exponentially growing bound ("full jitter"), so that what failed together does not come back together.
pub(crate) fn delay(policy: &RetryPolicy, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let bound = policy.first_delay.saturating_mul(1 << doublings).min(policy.delay_max);
    // The crate spreads by the factor around the interval: factor 1 around half the bound is 0 to the bound.
    let mut exponential = ExponentialBackoff {
        current_interval: bound / 2,
        randomization_factor: 1.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    exponential.next_backoff().unwrap_or(bound).min(bound)
}

/// Growing pauses of an agent that keeps trying until it succeeds: never gives up, half to one and a half of the step.
pub(crate) struct Pauses(ExponentialBackoff);

impl Pauses {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            max_interval: longest,
            multiplier: 2.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    pub(crate) fn next(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_within_the_growing_bound_and_use_all_of_it() {
        let policy =
            RetryPolicy { attempts_max: 9, first_delay: Duration::from_millis(100), delay_max: Duration::from_secs(2) };
        for (attempts, bound_ms) in [(1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (40, 2_000)] {
            let bound = Duration::from_millis(bound_ms);
            let delays: Vec<_> = (0..2_000).map(|_| delay(&policy, attempts)).collect();
            assert!(delays.iter().all(|delay| *delay <= bound), "attempt {attempts} exceeds {bound:?}");
            assert!(delays.iter().any(|delay| *delay < bound / 10), "attempt {attempts} never comes early");
            assert!(delays.iter().any(|delay| *delay > bound * 9 / 10), "attempt {attempts} never comes late");
        }
    }

    #[test]
    fn pauses_grow_to_the_longest_and_start_again() {
        let mut pauses = Pauses::new(Duration::from_millis(10), Duration::from_secs(1));
        let last = (0..20).map(|_| pauses.next()).last().expect("twenty pauses");
        assert!(last >= Duration::from_millis(500) && last <= Duration::from_millis(1_500), "{last:?}");
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(15));
    }
}
