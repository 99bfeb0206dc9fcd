//! What a signer has signed in the last 24 hours: gas, and the most that it may cost.

use std::collections::VecDeque;

use alloy::primitives::{Address, U256};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{FromQueryResult, Statement};

use super::{Context, pause};
use crate::{error::Error, policy::Policy, table::Place};

/// The window of budgets that are by the day.
const DAY: TimeDelta = TimeDelta::hours(24);

/// Gas limits and costs of the last 24 hours. What is signed counts, whether it is mined or not: a node may have it.
#[derive(Debug, Default)]
pub(super) struct Budget {
    signed: VecDeque<(DateTime<Utc>, u64, U256)>,
    gas: u64,
    wei: U256,
}

#[derive(FromQueryResult)]
struct Signed {
    signed_at: DateTime<Utc>,
    gas_limit: i64,
    max_fee: i64,
}

impl Budget {
    /// As it is recorded; of the attempts of a nonce the dearest counts, from the time of the last one.
    pub(super) async fn read(context: &Context, signer: Address) -> Result<Self, Error> {
        const SQL: &str = "SELECT MAX(a.signed_at) AS signed_at, s.gas_limit, MAX(a.max_fee_per_gas) AS max_fee \
            FROM chain_sends s JOIN chain_attempts a ON a.send_id = s.id \
            WHERE s.network_id = $1 AND s.signer = $2 AND (s.created_at > $3 OR s.status <> 'final') \
            GROUP BY s.id, s.gas_limit HAVING MAX(a.signed_at) > $3 ORDER BY 1";
        let values = [context.network.id.into(), Place(signer).into(), (Utc::now() - DAY).into()];
        let statement = Statement::from_sql_and_values(context.db.get_database_backend(), SQL, values);
        let mut budget = Self::default();
        for row in Signed::find_by_statement(statement).all(&*context.db).await? {
            let gas = u64::try_from(row.gas_limit).unwrap_or(0);
            budget.add(row.signed_at, gas, cost(gas, u128::try_from(row.max_fee).unwrap_or(0)));
        }
        Ok(budget)
    }

    pub(super) fn add(&mut self, at: DateTime<Utc>, gas: u64, wei: U256) {
        self.signed.push_back((at, gas, wei));
        self.gas = self.gas.saturating_add(gas);
        self.wei = self.wei.saturating_add(wei);
    }

    /// Gas and wei of the 24 hours before this time.
    pub(super) fn of_day(&mut self, now: DateTime<Utc>) -> (u64, U256) {
        while let Some((at, gas, wei)) = self.signed.front().copied() {
            if at > now - DAY {
                break;
            }
            self.signed.pop_front();
            self.gas = self.gas.saturating_sub(gas);
            self.wei = self.wei.saturating_sub(wei);
        }
        (self.gas, self.wei)
    }

    /// Gas and wei of what is counted at the moment.
    pub(super) fn total(&self) -> (u64, U256) {
        (self.gas, self.wei)
    }

    /// Which limit another transaction of this gas and cost would break, the word of a pause.
    pub(super) fn broken_by(&mut self, policy: &Policy, gas: u64, wei: U256) -> Option<&'static str> {
        let (of_day, spent) = self.of_day(Utc::now());
        if gas > 0 && policy.gas_per_day.is_some_and(|most| of_day.saturating_add(gas) > most) {
            return Some(pause::GAS_PER_DAY);
        }
        policy.spend_per_day.is_some_and(|most| spent.saturating_add(wei) > most).then_some(pause::SPEND_PER_DAY)
    }
}

/// The most that so much gas may cost.
pub(super) fn cost(gas: u64, max_fee: u128) -> U256 {
    U256::from(gas).saturating_mul(U256::from(max_fee))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_day_no_longer_counts() {
        let now = Utc::now();
        let mut budget = Budget::default();
        budget.add(now - TimeDelta::hours(24), 5, U256::from(50));
        budget.add(now - TimeDelta::minutes(1_439), 7, U256::from(70));
        budget.add(now, 11, U256::from(110));
        assert_eq!(budget.of_day(now), (18, U256::from(180)));
        assert_eq!(budget.of_day(now + TimeDelta::minutes(2)), (11, U256::from(110)));
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let mut budget = Budget::default();
        budget.add(Utc::now(), 90, U256::from(900));
        let gas = |most| Policy { gas_per_day: Some(most), ..Policy::default() };
        let spend = |most: u64| Policy { spend_per_day: Some(U256::from(most)), ..Policy::default() };
        assert_eq!(budget.broken_by(&gas(100), 10, U256::ZERO), None);
        assert_eq!(budget.broken_by(&gas(99), 10, U256::ZERO), Some(pause::GAS_PER_DAY));
        assert_eq!(budget.broken_by(&spend(1_000), 0, U256::from(100)), None);
        assert_eq!(budget.broken_by(&spend(999), 0, U256::from(100)), Some(pause::SPEND_PER_DAY));
        assert_eq!(budget.broken_by(&Policy::default(), u64::MAX, U256::MAX), None);
    }
}
