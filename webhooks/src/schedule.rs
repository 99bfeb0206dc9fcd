//! When a delivery that failed is tried again.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Config, config::milliseconds};

/// How far a pause varies, in thousandths of it.
const JITTER: std::ops::RangeInclusive<u64> = 800..=1_200;

/// The pause before the next attempt of a round in which so many have failed; none: they were all. What the endpoint has
/// asked for can only make it longer.
pub(crate) fn pause(config: &Config, failed: i32, asked_for: Option<TimeDelta>) -> Option<TimeDelta> {
    varied(config, failed, asked_for, rand::random_range(JITTER))
}

fn varied(config: &Config, failed: i32, asked_for: Option<TimeDelta>, thousandths: u64) -> Option<TimeDelta> {
    let place = usize::try_from(failed).ok()?.checked_sub(1)?;
    let planned = milliseconds(config.schedule_s.get(place)?.saturating_mul(thousandths));
    let longest = milliseconds(config.retry_after_max_s.saturating_mul(1_000));
    Some(asked_for.map_or(planned, |asked_for| planned.max(asked_for.min(longest))))
}

/// What `Retry-After` asks for, as seconds or as a date; none where it cannot be read.
pub(crate) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(milliseconds(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000)));
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?);
    Some((date - now).max(TimeDelta::zero()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_requested_pause_is_read_as_seconds_or_as_a_date() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(retry_after("120", now), Some(TimeDelta::seconds(120)));
        assert_eq!(retry_after("Fri, 15 Jan 2027 08:00:30 GMT", now), Some(TimeDelta::seconds(30)));
        assert_eq!(retry_after("Thu, 15 Jan 2026 08:00:30 GMT", now), Some(TimeDelta::zero()));
        assert!(retry_after("Wed, 01 Jan 3000 00:00:00 GMT", now).unwrap() > TimeDelta::days(300_000));
        assert_eq!(retry_after("99999999999999999999999999", now), Some(TimeDelta::days(365)));
        for nonsense in ["", "-1", "1.5", "soon", "１"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_varies_by_a_fifth_and_is_only_ever_lengthened(
            failed in -2_i32..12, asked_for in proptest::option::of(0_i64..10_000_000_000), thousandths in JITTER,
        ) {
            let config = Config::default();
            let asked_for = asked_for.map(TimeDelta::seconds);
            let pause = varied(&config, failed, asked_for, thousandths);
            let planned = usize::try_from(failed - 1).ok().and_then(|place| config.schedule_s.get(place));
            prop_assert_eq!(pause.is_some(), planned.is_some());
            if let (Some(pause), Some(planned)) = (pause, planned) {
                let planned = milliseconds(planned * 1_000);
                let asked_for = asked_for.unwrap_or_default().min(TimeDelta::hours(10));
                prop_assert!(pause >= planned * 8 / 10 && pause >= asked_for);
                prop_assert!(pause <= (planned * 12 / 10).max(asked_for));
            }
        }
    }
}
