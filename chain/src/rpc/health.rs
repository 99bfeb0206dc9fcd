//! Whether an endpoint is worth asking.

use std::time::{Duration, Instant};

use crate::backoff;

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
}

impl Health {
    /// Whether it is not to be asked at all.
    pub(super) fn resting(&self) -> bool {
        self.resting_until.is_some_and(|until| until > Instant::now())
    }

    /// When it is worth asking again; `None`, which sorts first, for a healthy one.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at.filter(|at| *at > Instant::now())
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, error: String, at_least: Option<Duration>) {
        let pause = backoff::delay(self.failures, Duration::from_millis(100), Duration::from_secs(30));
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error);
        self.retry_at = Some(Instant::now() + pause.max(at_least.unwrap_or_default()));
        self.resting_until = at_least.map(|pause| Instant::now() + pause);
    }
}
