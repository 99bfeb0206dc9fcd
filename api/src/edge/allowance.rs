//! How much one caller, one address or one thing may take.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use crate::{
    edge::HttpConfig,
    problem::{Code, Problem},
};

/// Buckets of one allowance, at most. Keys are hashed into them, so that its memory is bounded (about two megabytes)
/// however many addresses strangers have. Two keys that meet in one bucket share it; the hash is seeded anew in every
/// process, so that nobody can choose whom to meet.
const BUCKETS: u64 = 1 << 16;

/// A token bucket a key.
pub(crate) struct Allowance {
    limiter: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
    burst: NonZeroU32,
}

impl Allowance {
    /// One that fills by the second, its burst being what it gives in one.
    pub(crate) fn per_second(requests: u32) -> Self {
        Self::new(Quota::per_second(above_zero(requests)))
    }

    /// One that fills by the minute, for what is dear.
    pub(crate) fn per_minute(requests: u32) -> Self {
        Self::new(Quota::per_minute(above_zero(requests)))
    }

    /// The same, with no more saved up than a sixth of it, ten seconds' worth.
    pub(crate) fn per_minute_evenly(requests: u32) -> Self {
        Self::new(Quota::per_minute(above_zero(requests)).allow_burst(above_zero(requests.div_ceil(6))))
    }

    fn new(quota: Quota) -> Self {
        Self { burst: quota.burst_size(), limiter: RateLimiter::keyed(quota), hasher: RandomState::new() }
    }

    /// Forgets keys whose buckets are full again.
    pub(crate) fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// Takes one request's worth, or refuses with the time of the next try.
    pub(crate) fn take(&self, key: &str) -> Result<(), Problem> {
        self.spend(key, 1)
    }

    /// Takes so many, or none and refuses with the time of the next try. What costs more than a whole bucket costs a whole
    /// bucket.
    pub(crate) fn spend(&self, key: &str, points: u32) -> Result<(), Problem> {
        let bucket = self.hasher.hash_one(key) % BUCKETS;
        let Some(points) = NonZeroU32::new(points) else { return Ok(()) };
        let wait = match self.limiter.check_key_n(&bucket, points.min(self.burst)) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(denied)) => denied.wait_time_from(self.limiter.clock().now()),
            // It cannot be more than the bucket holds.
            Err(_) => Duration::ZERO,
        };
        Err(Problem::new(Code::TooManyRequests).retry_after(wait.as_secs() + 1))
    }
}

fn above_zero(requests: u32) -> NonZeroU32 {
    NonZeroU32::new(requests).unwrap_or(NonZeroU32::MAX)
}

/// Both allowances of this process.
pub(crate) struct Allowances {
    pub(crate) per_caller: Allowance,
    pub(crate) per_address: Allowance,
}

impl Allowances {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            per_caller: Allowance::per_second(config.rate_per_caller),
            per_address: Allowance::per_second(config.rate_per_address),
        }
    }

    /// Forgets keys whose buckets are full again; called now and then, else the memory of a storm is kept for ever.
    pub(crate) fn forget_idle(&self) {
        for allowance in [&self.per_caller, &self.per_address] {
            allowance.forget_idle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dear_costs_more_and_nothing_is_taken_from_who_is_refused() {
        let allowance = Allowance::per_minute(10);
        allowance.spend("one", 8).unwrap();
        let refused = allowance.spend("one", 3).unwrap_err();
        let (_, seconds) = &refused.headers()[0];
        assert!((6..=8).contains(&seconds.to_str().unwrap().parse::<u64>().unwrap()), "{seconds:?}");
        allowance.spend("one", 2).unwrap();
        assert!(allowance.spend("one", 1).is_err());
        allowance.spend("other", 11).unwrap();
        assert!(allowance.spend("other", 1).is_err(), "more than a bucket is a whole bucket");
        allowance.spend("other", 0).unwrap();
    }

    #[test]
    fn a_storm_of_addresses_takes_bounded_memory_and_it_is_given_back() {
        let allowance = Allowance::per_second(1_000_000);
        for address in 0..300_000_u32 {
            let _ = allowance.take(&std::net::Ipv4Addr::from(address).to_string());
        }
        assert!(allowance.limiter.len() as u64 <= BUCKETS, "{}", allowance.limiter.len());
        std::thread::sleep(Duration::from_millis(5));
        allowance.forget_idle();
        assert_eq!(allowance.limiter.len(), 0);
    }
}
