//! When a count blocks, and for how long.

use chrono::{DateTime, TimeDelta, Utc};
use entities::sign_in_count;

/// After so long without a wrong try a count begins anew. Longer than it would pay to wait for: five tries and a wait of
/// twelve hours are fewer guesses than the longest block of an account allows.
const QUIET: TimeDelta = TimeDelta::hours(12);

/// How long an account is at home at an address after it has signed in from there.
pub(super) const AT_HOME: TimeDelta = TimeDelta::days(90);

/// What wrong tries are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An account, from wherever.
    Account,
    /// An address, for whichever account; IPv6 by its /64.
    Address,
    /// One account from one address.
    Pair,
    /// An IPv6 /48, for whichever account.
    Site,
}

impl Kind {
    /// The beginning of its subjects in the table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Address => "address",
            Self::Pair => "pair",
            Self::Site => "site",
        }
    }

    /// Wrong tries between two blocks. A site has many people.
    pub(super) fn tries(self) -> i32 {
        match self {
            Self::Account | Self::Address | Self::Pair => 5,
            Self::Site => 20,
        }
    }

    /// The longest block, minutes: of an address a day; of an account an hour, since others can bring it about.
    fn longest(self) -> i64 {
        match self {
            Self::Address | Self::Site => 1_440,
            Self::Account | Self::Pair => 60,
        }
    }

    /// How long its next block is: 1, 1, 2, 3, 5 … minutes.
    pub(super) fn block(self, blocks_before: i32) -> TimeDelta {
        let (mut one, mut next) = (1_i64, 1_i64);
        for _ in 0..blocks_before.clamp(0, 20) {
            (one, next) = (next, one + next);
        }
        TimeDelta::minutes(one.min(self.longest()))
    }
}

/// Wrong tries that still count at this time.
pub(super) fn failures(row: &sign_in_count::Model, now: DateTime<Utc>) -> i32 {
    if is_quiet(row, now) { 0 } else { row.failures }
}

/// Whether the last wrong try is so long ago that the count begins anew.
pub(super) fn is_quiet(row: &sign_in_count::Model, now: DateTime<Utc>) -> bool {
    row.updated_at + QUIET < now
}

/// Whether the account of this pair is at home at its address.
pub(super) fn at_home(row: &sign_in_count::Model, now: DateTime<Utc>) -> bool {
    row.signed_in_at.is_some_and(|signed_in_at| signed_in_at + AT_HOME > now)
}

/// Seconds until the block of this row is over.
pub(super) fn blocked_for(row: &sign_in_count::Model, now: DateTime<Utc>) -> Option<u64> {
    let left = (row.blocked_until? - now).num_milliseconds();
    u64::try_from((left + 999) / 1_000).ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_as_the_contract_says_and_stay_bounded() {
        let minutes = |kind: Kind, blocks| kind.block(blocks).num_minutes();
        let address: Vec<i64> = (0..7).map(|blocks| minutes(Kind::Address, blocks)).collect();
        assert_eq!(address, [1, 1, 2, 3, 5, 8, 13]);
        assert_eq!(minutes(Kind::Address, i32::MAX), 1_440);
        assert_eq!(minutes(Kind::Account, i32::MAX), 60, "nobody is locked out for longer by others");
    }

    #[test]
    fn waiting_does_not_pay() {
        // Guesses a day of somebody who keeps on when an account's blocks are at their longest.
        let steady = i64::from(Kind::Account.tries()) * 24 * 60 / Kind::Account.block(i32::MAX).num_minutes();
        let (mut first_hour, mut minutes) = (0, 0);
        for blocks in 0.. {
            first_hour += i64::from(Kind::Account.tries());
            minutes += Kind::Account.block(blocks).num_minutes();
            if minutes > 60 {
                break;
            }
        }
        let waiting = first_hour * 24 / (QUIET.num_hours() + 1);
        assert_eq!((first_hour, steady), (45, 120));
        assert!(waiting < steady, "{waiting} a day by waiting, {steady} by keeping on");
    }
}
