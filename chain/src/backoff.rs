//! How long to wait after the n-th failure in a row.

use std::time::Duration;

/// Doubles from `first` up to `max`, with the upper half drawn at random, so that processes that failed together do not
/// come back together.
pub(crate) fn delay(failures: u32, first: Duration, max: Duration) -> Duration {
    let full = first.saturating_mul(1 << failures.min(16)).min(max);
    let half = full / 2;
    half + half.saturating_mul(rand::random_range(0..=1_000)) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_maximum() {
        let (first, max) = (Duration::from_millis(100), Duration::from_secs(30));
        for (failures, full) in [(0, 100), (1, 200), (5, 3_200), (20, 30_000), (u32::MAX, 30_000)] {
            let delay = delay(failures, first, max).as_millis();
            assert!((full / 2..=full).contains(&delay), "{failures}: {delay}");
        }
    }
}
