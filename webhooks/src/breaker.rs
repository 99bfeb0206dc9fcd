//! Whether an endpoint is sent to at all: what a process remembers of its last minutes.
//!
//! Only the counting lives in the memory of the process that has the lane; that the breaker is open, and until when,
//! stands in the endpoint's row. A process that dies takes nothing with it but a count that begins again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use chrono::TimeDelta;

use crate::{Config, config::milliseconds};

/// Parts of the time that is counted over: what is forgotten is forgotten in such steps.
const BUCKETS: u32 = 30;

/// Requests and failures of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Window {
    buckets: VecDeque<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    since: Instant,
    requests: usize,
    failures: usize,
}

impl Window {
    /// Counts a request and says whether the breaker has to open.
    pub(crate) fn trips(&mut self, config: &Config, now: Instant, failed: bool) -> bool {
        let length = Duration::from_secs(config.breaker_window_s);
        self.forget(now, length);
        if self.buckets.back().is_none_or(|bucket| now.duration_since(bucket.since) >= length / BUCKETS) {
            self.buckets.push_back(Bucket { since: now, requests: 0, failures: 0 });
        }
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.requests += 1;
            bucket.failures += usize::from(failed);
        }
        let requests: usize = self.buckets.iter().map(|bucket| bucket.requests).sum();
        let failures: usize = self.buckets.iter().map(|bucket| bucket.failures).sum();
        let percent = usize::try_from(config.breaker_percent).unwrap_or(usize::MAX);
        failed
            && requests >= config.breaker_requests_min
            && failures.saturating_mul(100) >= requests.saturating_mul(percent)
    }

    /// Whether it remembers nothing that still counts.
    pub(crate) fn is_empty(&mut self, config: &Config, now: Instant) -> bool {
        self.forget(now, Duration::from_secs(config.breaker_window_s));
        self.buckets.is_empty()
    }

    fn forget(&mut self, now: Instant, length: Duration) {
        while self.buckets.front().is_some_and(|bucket| now.duration_since(bucket.since) >= length) {
            self.buckets.pop_front();
        }
    }
}

/// How long the breaker stays open when it has stayed open so often in a row, this time included.
pub(crate) fn open_for(config: &Config, step: i32) -> TimeDelta {
    let doublings = u32::try_from(step.saturating_sub(1)).unwrap_or(0).min(30);
    milliseconds(config.breaker_open_ms.saturating_mul(1 << doublings).min(config.breaker_open_max_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(outcomes: impl IntoIterator<Item = bool>) -> bool {
        let (config, now, mut window) = (Config::default(), Instant::now(), Window::default());
        outcomes.into_iter().fold(false, |_, failed| window.trips(&config, now, failed))
    }

    #[test]
    fn it_takes_ten_requests_of_which_seven_failed() {
        assert!(!trips([true; 9]));
        assert!(trips([true; 10]));
        let some_failed = |failed: usize| (0..10).map(move |place| place >= 10 - failed);
        assert!(!trips(some_failed(6)));
        assert!(trips(some_failed(7)));
        assert!(!trips(std::iter::repeat_n(true, 10).chain([false])), "a success opens nothing");
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let (config, start, mut window) = (Config::default(), Instant::now(), Window::default());
        for second in 0..9 {
            assert!(!window.trips(&config, start + Duration::from_secs(second), true));
        }
        assert!(!window.trips(&config, start + Duration::from_secs(320), true));
        assert!(window.is_empty(&config, start + Duration::from_secs(700)));
    }

    #[test]
    fn a_window_stays_small_however_much_is_counted() {
        let (config, start, mut window) = (Config::default(), Instant::now(), Window::default());
        for place in 0..50_000_u64 {
            window.trips(&config, start + Duration::from_millis(place * 20), place % 2 == 0);
        }
        assert!(window.buckets.len() <= 31, "{}", window.buckets.len());
    }

    #[test]
    fn it_stays_open_for_half_a_minute_and_then_longer_up_to_five() {
        let config = Config::default();
        let seconds = |step| open_for(&config, step).num_seconds();
        assert_eq!([1, 2, 3, 4, 5, 90].map(seconds), [30, 60, 120, 240, 300, 300]);
    }
}
