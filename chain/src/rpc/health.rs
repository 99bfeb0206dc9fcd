//! Whether an endpoint is worth asking.

use std::time::{Duration, Instant};

use queue::backoff;

/// An endpoint, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHealth {
    /// Host and port, without the secret parts of the URL.
    pub label: String,
    /// Whether its last answer was usable.
    pub up: bool,
    /// Failures in a row.
    pub failures: u32,
    /// What it last failed with.
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    pub(super) failures: u32,
    pub(super) last_error: Option<String>,
    retry_at: Option<Instant>,
    /// It asked to be left alone until then, or does not serve us at all.
    resting_until: Option<Instant>,
    doubt: Option<Doubt>,
}

/// It answers, but what it said was behind the others, or contradicted by them. An answer alone does not mend that.
#[derive(Clone, Debug)]
struct Doubt {
    times: u32,
    until: Instant,
}

/// How long others are asked first after a doubt, at least.
const DOUBTED_MIN: Duration = Duration::from_millis(500);

/// A doubt that is older than this counts no more.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

impl Health {
    /// Whether it is not to be asked at all.
    pub(super) fn resting(&self) -> bool {
        self.resting_until.is_some_and(|until| until > Instant::now())
    }

    /// When it is worth asking again; `None`, which sorts first, for a healthy one.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        let doubted_until = self.doubt.as_ref().map(|doubt| doubt.until);
        self.retry_at.max(doubted_until).filter(|at| *at > Instant::now())
    }

    /// Whether asking it is likely to be a wait for nothing.
    pub(crate) fn unreachable(&self) -> bool {
        self.retry_at.is_some_and(|at| at > Instant::now())
    }

    /// Others are asked first for a while, longer each time.
    pub(super) fn doubted(&mut self, why: String) {
        let now = Instant::now();
        let recent = self.doubt.as_ref().filter(|doubt| doubt.until + FORGIVEN_AFTER > now);
        let times = recent.map_or(0, |doubt| doubt.times);
        // Not at once in any case: it would be the next to be asked.
        let pause = DOUBTED_MIN + backoff::delay(times, DOUBTED_MIN, Duration::from_secs(30));
        self.doubt = Some(Doubt { times: times.saturating_add(1), until: now + pause });
        self.last_error = Some(why);
    }

    pub(super) fn succeeded(&mut self) {
        let doubt = self.doubt.take();
        let doubted = doubt.as_ref().is_some_and(|doubt| doubt.until > Instant::now());
        let last_error = self.last_error.take().filter(|_| doubted);
        *self = Self { doubt, last_error, ..Self::default() };
    }

    pub(super) fn failed(&mut self, error: String, at_least: Option<Duration>) {
        let pause = backoff::delay(self.failures, Duration::from_millis(100), Duration::from_secs(30));
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error);
        self.retry_at = Some(Instant::now() + pause.max(at_least.unwrap_or_default()));
        self.resting_until = at_least.map(|pause| Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// As if so much time had passed.
    fn later(health: &mut Health, by: Duration) {
        let earlier = |at: &mut Instant| *at = at.checked_sub(by).unwrap_or(*at);
        health.retry_at.iter_mut().for_each(earlier);
        health.resting_until.iter_mut().for_each(earlier);
        health.doubt.iter_mut().for_each(|doubt| earlier(&mut doubt.until));
    }

    #[test]
    fn one_that_asks_for_patience_is_left_alone_and_one_that_only_failed_is_asked_when_nobody_else_is_there() {
        let mut health = Health::default();
        assert!(!health.resting() && !health.unreachable() && health.retry_at().is_none());
        health.failed("away".to_owned(), None);
        assert!(!health.resting(), "it may be asked if no other is");
        health.failed("busy".to_owned(), Some(Duration::from_secs(60)));
        assert!(health.resting() && health.unreachable());
        assert!(health.retry_at().is_some_and(|at| at > Instant::now() + Duration::from_secs(50)));
        later(&mut health, Duration::from_secs(61));
        assert!(!health.resting() && !health.unreachable() && health.retry_at().is_none());
        assert_eq!((health.failures, health.last_error.as_deref()), (2, Some("busy")));
    }

    #[test]
    fn an_answer_mends_failures_and_no_doubt() {
        let mut health = Health::default();
        health.failed("away".to_owned(), Some(Duration::from_secs(60)));
        health.succeeded();
        assert_eq!((health.failures, health.last_error.clone(), health.resting()), (0, None, false));
        health.doubted("it lies".to_owned());
        health.succeeded();
        assert!(health.retry_at().is_some(), "others are asked first");
        assert_eq!(health.last_error.as_deref(), Some("it lies"));
        assert!(!health.unreachable(), "it answers");
        later(&mut health, Duration::from_secs(120));
        health.succeeded();
        assert_eq!((health.retry_at(), health.last_error), (None, None));
    }

    #[test]
    fn doubts_add_up_until_they_are_forgiven() {
        let mut health = Health::default();
        for times in 1..=3 {
            health.doubted("it is behind".to_owned());
            assert_eq!(health.doubt.as_ref().map(|doubt| doubt.times), Some(times));
        }
        later(&mut health, FORGIVEN_AFTER + Duration::from_secs(120));
        health.doubted("it is behind".to_owned());
        assert_eq!(health.doubt.as_ref().map(|doubt| doubt.times), Some(1));
    }

    proptest! {
        #[test]
        fn no_life_keeps_an_endpoint_out_for_longer_than_it_asked_for(
            life in vec((select(vec!["failed", "doubted", "succeeded"]), any::<bool>()), 0..60)
        ) {
            let mut health = Health::default();
            let wanted = Duration::from_secs(45);
            for (what, patience) in life {
                match what {
                    "failed" => health.failed("x".to_owned(), patience.then_some(wanted)),
                    "doubted" => health.doubted("x".to_owned()),
                    _ => health.succeeded(),
                }
                let longest = Instant::now() + wanted;
                prop_assert!(health.retry_at().is_none_or(|at| at <= longest));
            }
        }
    }
}
