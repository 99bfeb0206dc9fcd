//! Wrong sign-ins are counted against the address that they come from, against the site around it, and against the account
//! that they are for, whichever sign-in it is. Five are answered, then the address or the account is blocked for 1, 1, 2, 3,
//! 5 … minutes, after each block five more.
//!
//! A try is counted before it is checked, in the database: a thousand at once are no more than five, in however many
//! processes. A right one takes back what its account has counted from its address, and nothing else, so that nobody's own
//! sign-in pays for guesses at another's. Who does not exist is counted like who does.
//!
//! Strangers who guess from elsewhere cannot lock out whom they guess at: an account's blocks last an hour at most, and an
//! account that has signed in from an address before is counted there on its own, whatever all others do.

mod account;
mod counts;
mod rules;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use queue::Database;
use tokio::sync::OwnedMutexGuard;

pub(crate) use account::Account;

use self::counts::{Begun, Subjects};
use crate::{
    audit,
    edge::{Allowance, ClientAddress, EdgeState},
    problem::{Code, Problem},
};

/// Audit rows of wrong tries that this process writes in a minute. Every block has a row, and comes after five tries; rows
/// of single tries would let an attacker with many addresses fill the disk.
const AUDITED_PER_MINUTE: u32 = 60;

/// What this process knows of sign-ins under way.
pub(crate) struct SignIns {
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    audited: Allowance,
}

impl Default for SignIns {
    fn default() -> Self {
        Self { under_way: Mutex::default(), audited: Allowance::per_minute(AUDITED_PER_MINUTE) }
    }
}

impl SignIns {
    /// Waits for the address's other sign-ins in this process, so that people behind one address who sign in at the same
    /// time are not taken for five guesses under way.
    pub(crate) async fn turn(&self, address: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut under_way = self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // A request that holds or waits for a turn has a second reference to it.
            under_way.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(under_way.entry(address.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

/// How an attempt to sign in ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SignInOutcome {
    /// The secret is the account's.
    Right,
    /// It is not, or there is no such account.
    Wrong,
    /// It was not checked; seconds until the next try.
    Blocked(u64),
}

impl SignInOutcome {
    /// The refusal of a contract that has no words of its own for it.
    pub(crate) fn refuse(&self, wrong: impl FnOnce() -> Problem) -> Result<(), Problem> {
        match self {
            Self::Right => Ok(()),
            Self::Wrong => Err(wrong()),
            Self::Blocked(seconds) => {
                let detail = format!("Too many wrong tries; come again in {seconds} seconds");
                Err(Problem::new(Code::TooManyRequests).detail(detail).retry_after(*seconds))
            }
        }
    }
}

/// Counts a try to sign in to the account from the address, and has it checked unless either is blocked. A try whose check
/// is never finished, because its client or this process is gone, stays counted.
pub(crate) async fn attempt(
    state: &EdgeState,
    address: &ClientAddress,
    account: &Account,
    check: impl Future<Output = Result<bool, Problem>>,
) -> Result<SignInOutcome, Problem> {
    let _turn = state.sign_ins().turn(&address.network()).await;
    let subjects = Subjects::of(address, account);
    match counts::begin(state.db(), &subjects, account, entities::now()).await? {
        Begun::Blocked(seconds) => return Ok(SignInOutcome::Blocked(seconds)),
        Begun::Counted => {}
    }
    fail::fail_point!("sign_in.counted");
    match check.await {
        Ok(true) => {
            counts::succeeded(state.db(), &subjects, entities::now()).await?;
            fail::fail_point!("sign_in.taken_back");
            Ok(SignInOutcome::Right)
        }
        Ok(false) => {
            metrics::counter!("quittance_sign_ins_failed_total", "account" => account.kind()).increment(1);
            if state.sign_ins().audited.take("").is_ok() {
                audit_failure(state.db(), address, account).await?;
            }
            Ok(SignInOutcome::Wrong)
        }
        Err(problem) => {
            // Nothing was learned from it, so it was no guess.
            counts::withdraw(state.db(), &subjects, entities::now()).await?;
            Err(problem)
        }
    }
}

async fn audit_failure(db: &Database, address: &ClientAddress, account: &Account) -> Result<(), Problem> {
    let tx = db.begin().await?;
    let data = serde_json::json!({ "address": address.to_string() });
    let about = (account.kind(), account.id().unwrap_or_default());
    audit::record_of_stranger(&tx, &address.network(), "sign_in.failed", about, data).await?;
    Ok(tx.commit().await?)
}
