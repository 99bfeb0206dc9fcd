//! How events are delivered.

use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

/// How events are delivered: limits of requests, the schedule of attempts, and where requests may go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the secrets of all endpoints are derived from, the same in every process. Changing it changes them all.
    pub secret: SecretString,
    /// Networks that requests may go to although they are not public, such as `10.1.0.0/16`.
    pub allowed_networks: Vec<IpNet>,
    /// Ports below 1024 that requests may go to, besides 80 and 443.
    pub allowed_ports: Vec<u16>,
    /// Whether plain `http` is refused.
    pub https_only: bool,
    /// How long connecting may take, TLS included, milliseconds.
    pub connect_timeout_ms: u64,
    /// How long an attempt may take, the answer's body included, milliseconds.
    pub timeout_ms: u64,
    /// Endpoints that this process sends to at a time.
    pub lanes_max: usize,
    /// Requests to one endpoint at a time, at most: how many it gets follows from how it answers.
    pub in_flight_max: usize,
    /// What all requests under way, and their answers until these are written down, may take of memory, MiB. Each counts
    /// 128 KiB and its body; four for each endpoint are not counted.
    pub in_flight_memory_mib: usize,
    /// Pauses after the first attempt, the second and so on, seconds; one attempt more than pauses is made. Each varies
    /// by a fifth to either side.
    pub schedule_s: Vec<u64>,
    /// The longest time that an endpoint may ask for with `Retry-After`, seconds.
    pub retry_after_max_s: u64,
    /// The breaker opens when so many of a hundred requests failed.
    pub breaker_percent: u32,
    /// The breaker does not open for fewer requests than this.
    pub breaker_requests_min: usize,
    /// How long requests are counted for the breaker, seconds.
    pub breaker_window_s: u64,
    /// How long the breaker stays open at first, milliseconds.
    pub breaker_open_ms: u64,
    /// How long the breaker stays open at most, milliseconds.
    pub breaker_open_max_ms: u64,
    /// How long an endpoint must have failed without a success before it is disabled, seconds.
    pub disable_after_s: u64,
    /// How many failures in a row an endpoint must have before it is disabled.
    pub disable_failures_min: u32,
    /// How long deliveries that are not pending are kept, with their attempts and bodies, days.
    pub keep_days: u32,
    /// How often the database is asked for what is due, milliseconds.
    pub poll_interval_ms: u64,
    /// How long a silent process keeps an endpoint before another may take it over, milliseconds.
    pub lease_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            secret: SecretString::from(""),
            allowed_networks: Vec::new(),
            allowed_ports: Vec::new(),
            https_only: false,
            connect_timeout_ms: 5_000,
            timeout_ms: 15_000,
            lanes_max: 200,
            in_flight_max: 256,
            in_flight_memory_mib: 256,
            schedule_s: vec![5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400],
            retry_after_max_s: 36_000,
            breaker_percent: 70,
            breaker_requests_min: 10,
            breaker_window_s: 300,
            breaker_open_ms: 30_000,
            breaker_open_max_ms: 300_000,
            disable_after_s: 432_000,
            disable_failures_min: 20,
            keep_days: 90,
            poll_interval_ms: 250,
            lease_ms: 15_000,
        }
    }
}

/// The longest pause in a schedule, and the longest wait of any kind: a year.
const LONGEST_S: u64 = 365 * 24 * 3_600;

impl Config {
    /// What is wrong with the settings, one sentence each.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let positive = [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("timeout_ms", self.timeout_ms),
            ("breaker_window_s", self.breaker_window_s),
            ("breaker_open_ms", self.breaker_open_ms),
            ("disable_after_s", self.disable_after_s),
            ("poll_interval_ms", self.poll_interval_ms),
            ("keep_days", self.keep_days.into()),
            ("lanes_max", self.lanes_max.try_into().unwrap_or(u64::MAX)),
            ("in_flight_max", self.in_flight_max.try_into().unwrap_or(u64::MAX)),
            ("in_flight_memory_mib", self.in_flight_memory_mib.try_into().unwrap_or(u64::MAX)),
        ];
        let zero = positive.into_iter().filter(|(_, value)| *value == 0);
        let mut mistakes: Vec<String> = zero.map(|(name, _)| format!("webhooks.{name} must be above 0")).collect();
        let mut wrong = |wrong: bool, sentence: &str| {
            if wrong {
                mistakes.push(sentence.to_owned());
            }
        };
        wrong(self.lease_ms < 1_000, "webhooks.lease_ms must be at least 1000");
        wrong(!(1..=100).contains(&self.breaker_percent), "webhooks.breaker_percent must be from 1 to 100");
        wrong(
            self.breaker_open_max_ms < self.breaker_open_ms,
            "webhooks.breaker_open_max_ms must not be below webhooks.breaker_open_ms",
        );
        let waits = [self.retry_after_max_s, self.breaker_window_s, self.disable_after_s];
        let milliseconds = [self.breaker_open_max_ms, self.lease_ms, self.timeout_ms];
        let too_long = self.schedule_s.iter().chain(&waits).any(|seconds| *seconds > LONGEST_S)
            || milliseconds.iter().any(|milliseconds| *milliseconds > LONGEST_S * 1_000)
            || u64::from(self.keep_days) > 100_000;
        wrong(too_long, "webhooks: no time may be longer than a year");
        mistakes
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn lease(&self) -> TimeDelta {
        milliseconds(self.lease_ms)
    }

    /// How long what is not pending is kept.
    #[must_use]
    pub fn kept_for(&self) -> TimeDelta {
        TimeDelta::days(self.keep_days.into())
    }
}

/// As signed time; what is out of range ([`Config::mistakes`] tells of it) becomes the longest that a wait may be.
pub(crate) fn milliseconds(milliseconds: u64) -> TimeDelta {
    let longest = LONGEST_S * 1_000;
    TimeDelta::milliseconds(i64::try_from(milliseconds.min(longest)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_mistakes_and_span_about_75_hours() {
        let config = Config::default();
        assert_eq!(config.mistakes(), Vec::<String>::new());
        let hours = config.schedule_s.iter().sum::<u64>() / 3_600;
        assert_eq!((config.schedule_s.len() + 1, hours), (10, 75));
    }

    #[test]
    fn all_mistakes_are_reported() {
        let config = Config { timeout_ms: 0, lease_ms: 3, breaker_percent: 101, ..Config::default() };
        assert_eq!(config.mistakes().len(), 3, "{:?}", config.mistakes());
    }
}
