//! How many requests an endpoint gets at a time: more while its answers stay quick and good, fewer when they do not.
//!
//! Answers are counted in rounds, each of about half as many as may be under way. A round that was good and no slower
//! than the quickest one lets more be sent: twice as many at first, an eighth more once there was a sign that it is
//! enough. A round in which an eighth failed halves what may be under way. Only answers to requests of the round count,
//! so that what was sent before a change says nothing about it, and a burst of failures is one.

use std::time::{Duration, Instant};

/// An endpoint has at least so many, whatever it answers and whatever the others have.
pub(crate) const LEAST: usize = 4;

/// Requests at a time to an endpoint of which nothing is known.
const START: usize = 10;

/// Longest mean of a round that still counts as quick. An endpoint that takes longer has what it had at the start: more
/// would only wait there.
const QUICK_MAX: Duration = Duration::from_secs(1);

/// An endpoint whose answers take less has what it has at a rate that costs the process something.
const OURS_MAX: Duration = Duration::from_millis(150);

/// Differences of this size are the machine's and not the endpoint's.
const SLACK: Duration = Duration::from_millis(20);

/// After this time the quickest round is measured again, with half as many under way: the endpoint may have become
/// slower by itself, or slow because of us.
const QUICKEST_FOR: Duration = Duration::from_secs(30);

/// How many requests an endpoint gets at a time.
#[derive(Debug)]
pub(crate) struct Limit {
    now: usize,
    /// Nothing has shown yet that it is enough.
    doubling: bool,
    /// The mean of the quickest round, and when it was.
    quickest: Option<(Duration, Instant)>,
    /// What to come back to when the quickest round is being measured again.
    measuring: Option<usize>,
    round: Round,
}

/// Answers to requests that were sent since the last change.
#[derive(Debug, Default)]
struct Round {
    since: Option<Instant>,
    answers: u32,
    failures: u32,
    took: Duration,
    /// As many as may be were under way at some time: only then does the round say something about more.
    full: bool,
}

impl Default for Limit {
    fn default() -> Self {
        Self { now: START, doubling: true, quickest: None, measuring: None, round: Round::default() }
    }
}

impl Limit {
    /// How many may be under way, at most so many.
    pub(crate) fn allowed(&self, most: usize) -> usize {
        self.now.clamp(LEAST.min(most), most)
    }

    /// Notes that as many requests are under way as may be.
    pub(crate) fn reached(&mut self) {
        self.round.full = true;
    }

    /// Whether it takes little time itself, so that what waits for it waits for us.
    pub(crate) fn is_quick(&self) -> bool {
        self.quickest.is_none_or(|(took, _)| took < OURS_MAX)
    }

    /// Counts a response.
    pub(crate) fn record(&mut self, now: Instant, sent_at: Instant, took: Duration, failed: bool, most: usize) {
        if self.round.since.is_some_and(|since| sent_at < since) {
            return;
        }
        let size = u32::try_from(self.allowed(most) / 2).unwrap_or(u32::MAX).max(1);
        if failed {
            self.round.failures += 1;
            if self.round.failures >= (size / 8).max(1) {
                self.become_fewer(now, self.allowed(most) / 2);
            }
            return;
        }
        self.round.answers += 1;
        self.round.took += took;
        if self.round.answers >= size {
            self.close(now, most);
        }
    }

    fn close(&mut self, now: Instant, most: usize) {
        let mean = self.round.took / self.round.answers.max(1);
        if let Some(before) = self.measuring.take() {
            self.quickest = Some((mean, now));
            return self.set(now, before);
        }
        let (quickest, since) = *self.quickest.get_or_insert((mean, now));
        if mean <= quickest {
            self.quickest = Some((mean, now));
        } else if now.duration_since(since) >= QUICKEST_FOR {
            if self.now > START {
                self.measuring = Some(self.now);
                return self.set(now, self.now / 2);
            }
            // So few wait for nothing but the endpoint.
            self.quickest = Some((mean, now));
        }
        let quickest = self.quickest.map_or(mean, |(quickest, _)| quickest);
        let quick = mean <= QUICK_MAX && mean <= quickest * 3 / 2 + SLACK;
        let slow = mean > quickest * 3 + SLACK * 5;
        match (quick && self.round.failures == 0, slow) {
            (true, _) if self.round.full => {
                let more = if self.doubling { self.now } else { (self.now / 8).max(1) };
                self.set(now, self.now.saturating_add(more).min(most));
            }
            (true, _) => self.set(now, self.now),
            (false, true) => self.become_fewer(now, self.now - self.now / 8),
            (false, false) => {
                self.doubling = false;
                self.set(now, self.now);
            }
        }
    }

    fn become_fewer(&mut self, now: Instant, to: usize) {
        self.doubling = false;
        self.measuring = None;
        self.set(now, to);
    }

    fn set(&mut self, now: Instant, to: usize) {
        self.now = to.max(LEAST);
        self.round = Round { since: Some(now), ..Round::default() };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 256;

    /// An endpoint that is sent to in rounds of as many as it may have, for so long.
    struct Endpoint {
        limit: Limit,
        now: Instant,
    }

    impl Endpoint {
        fn new() -> Self {
            Self { limit: Limit::default(), now: Instant::now() }
        }

        /// How long an answer takes follows from how many are under way.
        fn rounds(&mut self, rounds: usize, answer: impl Fn(usize) -> (Duration, bool)) -> usize {
            for _ in 0..rounds {
                let (under_way, sent_at) = (self.limit.allowed(MOST), self.now);
                self.limit.reached();
                let (took, failed) = answer(under_way);
                self.now += took + Duration::from_millis(1);
                for _ in 0..under_way {
                    self.limit.record(self.now, sent_at, took, failed, MOST);
                }
            }
            self.limit.allowed(MOST)
        }
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_endpoint_that_takes_a_hundred_milliseconds_has_all_within_a_second() {
        for took in [0, 1, 20, 100] {
            assert_eq!(Endpoint::new().rounds(8, |_| (ms(took), false)), MOST, "{took} ms");
        }
    }

    #[test]
    fn errors_halve_it_down_to_four_and_it_comes_back() {
        let mut endpoint = Endpoint::new();
        endpoint.rounds(8, |_| (ms(20), false));
        assert_eq!(endpoint.rounds(1, |_| (ms(20), true)), 128, "a burst of failures counts once");
        assert_eq!(endpoint.rounds(9, |_| (ms(20), true)), LEAST);
        assert!(endpoint.rounds(8, |_| (ms(20), false)) <= 16, "slowly, after what has happened");
        assert_eq!(endpoint.rounds(80, |_| (ms(20), false)), MOST);
    }

    #[test]
    fn an_endpoint_that_only_queues_what_it_gets_does_not_get_more_and_more() {
        // One after the other, a millisecond each: beyond a few under way nothing is gained.
        let one_by_one = |under_way: usize| (ms(under_way as u64), false);
        let mut endpoint = Endpoint::new();
        let settled = endpoint.rounds(500, one_by_one);
        assert!((20..=80).contains(&settled), "{settled}");
        assert!(endpoint.rounds(2_000, one_by_one) <= 120, "nor after measuring anew");
    }

    #[test]
    fn one_that_takes_seconds_stays_where_it_began() {
        assert_eq!(Endpoint::new().rounds(50, |_| (ms(3_000), false)), START);
    }

    #[test]
    fn one_that_becomes_slower_by_itself_has_its_share_again_after_a_while() {
        let mut endpoint = Endpoint::new();
        endpoint.rounds(8, |_| (ms(5), false));
        assert!(endpoint.rounds(20, |_| (ms(200), false)) < MOST);
        assert_eq!(endpoint.rounds(1_000, |_| (ms(200), false)), MOST);
    }

    #[test]
    fn what_is_never_needed_is_not_given() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        for place in 0..1_000 {
            let sent_at = start + ms(place * 30);
            limit.record(sent_at + ms(20), sent_at, ms(20), false, MOST);
        }
        assert_eq!(limit.allowed(MOST), START);
    }

    proptest! {
        #[test]
        fn it_is_always_between_the_bounds(
            answers in proptest::collection::vec((0_u64..20_000, any::<bool>(), any::<bool>()), 0..2_000),
            most in 1_usize..300,
        ) {
            let (mut limit, mut now) = (Limit::default(), Instant::now());
            for (took, failed, full) in answers {
                if full {
                    limit.reached();
                }
                let sent_at = now;
                now += ms(took / 100);
                limit.record(now, sent_at, ms(took), failed, most);
                let allowed = limit.allowed(most);
                prop_assert!(allowed <= most && allowed >= LEAST.min(most), "{allowed}");
            }
        }
    }
}
