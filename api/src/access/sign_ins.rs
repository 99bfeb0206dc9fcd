//! Wrong sign-ins of one address: five are answered, then it is blocked for 1, 1, 2, 3, 5 … minutes, after each block
//! five more. A right one clears the count. Kept in the database, so that a restart or a second process changes nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{login_failure, now};
use queue::Database;
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, prelude::*, sea_query::OnConflict};
use tokio::sync::OwnedMutexGuard;

/// Wrong tries before a block.
const TRIES: i32 = 5;

/// Lets one sign-in of an address be under way at a time: a thousand at once would else be a thousand tries.
#[derive(Default)]
pub(crate) struct SignIns {
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl SignIns {
    /// Waits for the address's other sign-ins.
    pub(crate) async fn turn(&self, address: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut under_way = self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Whoever holds or waits for a turn has a second reference to it.
            under_way.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(under_way.entry(address.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

/// Seconds until the address may try again, if it is blocked; starts the block that is due.
pub(crate) async fn blocked_for(db: &Database, address: &str) -> Result<Option<i64>, DbErr> {
    use login_failure::Column as C;
    let Some(row) = login_failure::Entity::find_by_id(address).one(&**db).await? else { return Ok(None) };
    if let Some(until) = row.blocked_until {
        return Ok(seconds_until(until));
    }
    if row.failures == 0 || row.failures % TRIES != 0 {
        return Ok(None);
    }
    let until = now() + TimeDelta::minutes(fibonacci(row.failures / TRIES));
    let begin = OnConflict::column(C::Address).update_columns([C::BlockedUntil, C::UpdatedAt]).to_owned();
    write(db, address, row.failures, Some(until), begin).await?;
    Ok(seconds_until(until))
}

/// Counts a wrong try; in SQL, so that processes do not overwrite each other's counts.
pub(crate) async fn failed(db: &Database, address: &str) -> Result<(), DbErr> {
    use login_failure::Column as C;
    use sea_orm::ExprTrait;
    let one_more = Expr::col((login_failure::Entity, C::Failures)).add(1);
    let count = OnConflict::column(C::Address)
        .value(C::Failures, one_more)
        .update_columns([C::BlockedUntil, C::UpdatedAt])
        .to_owned();
    write(db, address, 1, None, count).await
}

/// Forgets the wrong tries.
pub(crate) async fn succeeded(db: &Database, address: &str) -> Result<(), DbErr> {
    if login_failure::Entity::find_by_id(address).one(&**db).await?.is_some() {
        let tx = db.begin().await?;
        login_failure::Entity::delete_by_id(address).exec(&*tx).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn write(
    db: &Database,
    address: &str,
    failures: i32,
    until: Option<DateTime<Utc>>,
    present: OnConflict,
) -> Result<(), DbErr> {
    let row = login_failure::ActiveModel {
        address: Set(address.to_owned()),
        failures: Set(failures),
        blocked_until: Set(until),
        updated_at: Set(now()),
    };
    let tx = db.begin().await?;
    login_failure::Entity::insert(row).on_conflict(present).exec_without_returning(&*tx).await?;
    tx.commit().await
}

fn seconds_until(until: DateTime<Utc>) -> Option<i64> {
    let left = (until - Utc::now()).num_milliseconds();
    (left > 0).then(|| (left + 999) / 1_000)
}

/// 1, 1, 2, 3, 5 …, at most a day's minutes.
fn fibonacci(n: i32) -> i64 {
    let (mut one, mut next) = (1_i64, 1_i64);
    for _ in 1..n.min(20) {
        (one, next) = (next, one + next);
    }
    one.min(1_440)
}

#[cfg(test)]
mod tests {
    use super::fibonacci;

    #[test]
    fn blocks_grow_as_the_contract_says_and_stay_bounded() {
        assert_eq!((1..=7).map(fibonacci).collect::<Vec<_>>(), [1, 1, 2, 3, 5, 8, 13]);
        assert_eq!(fibonacci(i32::MAX), 1_440);
    }
}
