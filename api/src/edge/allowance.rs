//! How many requests one caller or one address may send.

use std::{num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use crate::{
    config::HttpConfig,
    problem::{Code, Problem},
};

/// A token bucket a key, refilled every second.
pub(crate) struct Allowance {
    limiter: DefaultKeyedRateLimiter<String>,
}

impl Allowance {
    fn new(per_second: u32) -> Self {
        let quota = Quota::per_second(NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MAX));
        Self { limiter: RateLimiter::keyed(quota) }
    }

    /// One that fills by the minute, for what is dear.
    pub(crate) fn per_minute(requests: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(requests).unwrap_or(NonZeroU32::MAX));
        Self { limiter: RateLimiter::keyed(quota) }
    }

    /// Forgets keys whose buckets are full again.
    pub(crate) fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// Takes one request's worth, or tells when to come again.
    pub(crate) fn take(&self, key: &String) -> Result<(), Problem> {
        self.limiter.check_key(key).map_err(|denied| {
            let wait: Duration = denied.wait_time_from(self.limiter.clock().now());
            Problem::new(Code::TooManyRequests).retry_after(wait.as_secs() + 1)
        })
    }
}

/// Both allowances of this process.
pub(crate) struct Allowances {
    pub(crate) per_caller: Allowance,
    pub(crate) per_address: Allowance,
}

impl Allowances {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            per_caller: Allowance::new(config.rate_per_caller),
            per_address: Allowance::new(config.rate_per_address),
        }
    }

    /// Forgets keys whose buckets are full again; called now and then, else every address ever seen stays in memory.
    pub(crate) fn forget_idle(&self) {
        for allowance in [&self.per_caller, &self.per_address] {
            allowance.forget_idle();
        }
    }
}
