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
