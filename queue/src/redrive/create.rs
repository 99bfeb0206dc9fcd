//! Making a run.

use chrono::Utc;
use sea_orm::{ActiveValue::Set, DbErr, entity::prelude::*};
use uuid::Uuid;

use super::{ActiveModel, Entity, Model, Run, RunState};
use crate::{
    database::Transaction,
    dead_letters::{Filter, LetterState, newest},
};

/// A run that is to be made. The numbers can be changed before it is.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Which letters; of these, those that are `dead`.
    pub filter: Filter,
    /// Who makes it, as it stands in the audit log.
    pub actor: String,
    /// Why, in the operator's words; required.
    pub reason: String,
    /// Letters that it takes at most, the oldest ones; `None`: all that match.
    pub letters_max: Option<u64>,
    /// Replays a second, 1 to 10,000.
    pub rate_per_second: u32,
    /// Letters that are replayed first and have to end well, at most 1,000; 0: none.
    pub canary: u32,
    /// It stops when more than so many percent of the newest outcomes are deaths; 100 never stops.
    pub stop_percent: u32,
    /// How many outcomes that rule counts, 1 to 10,000; no more than the run has letters.
    pub stop_window: u32,
    /// How long an outcome is waited for before the run goes on, or ends, without it, seconds: 1 to 604,800.
    pub patience_seconds: u32,
}

impl NewRun {
    /// 20 replays a second, a canary of five, a stop when more than 20 % of the last 50 died again, an hour's patience.
    #[must_use]
    pub fn new(filter: Filter, actor: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            filter,
            actor: actor.into(),
            reason: reason.into(),
            letters_max: None,
            rate_per_second: 20,
            canary: 5,
            stop_percent: 20,
            stop_window: 50,
            patience_seconds: 3_600,
        }
    }

    /// Every mistake of the run, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, sentence| {
            if !holds {
                problems.push(sentence);
            }
        };
        must(!self.reason.trim().is_empty(), "a reason is required");
        must((1..=10_000).contains(&self.rate_per_second), "rate_per_second must be 1 to 10000");
        must(self.canary <= 1_000, "canary must be at most 1000");
        must(self.stop_percent <= 100, "stop_percent must be at most 100");
        must((1..=10_000).contains(&self.stop_window), "stop_window must be 1 to 10000");
        must((1..=604_800).contains(&self.patience_seconds), "patience_seconds must be 1 to 604800");
        must(self.letters_max != Some(0), "letters_max must be at least 1");
        let replayable = self.filter.state.is_none_or(|state| state == LetterState::Dead);
        must(replayable, "only letters in the state dead can be replayed");
        problems
    }
}

/// Why a run was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRun {
    /// Every mistake of the run, a sentence each.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<&'static str>),
    /// A statement failed: the caller rolls the transaction back.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Makes a run, as a part of the caller's transaction; a conductor starts on it within a second after the commit. Its
/// letters end with the newest one there is now.
///
/// # Errors
/// The run is invalid, and the operator is told every mistake; or a statement failed.
pub async fn create(tx: &mut Transaction, new: NewRun) -> Result<Run, InvalidRun> {
    let problems = new.problems();
    if !problems.is_empty() {
        return Err(InvalidRun::Invalid(problems));
    }
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let filter = Filter { state: None, ..new.filter };
    let now = Utc::now();
    let row = Model {
        id: Uuid::now_v7(),
        filter: serde_json::to_string(&filter).map_err(|error| DbErr::Json(error.to_string()))?,
        cut_off: newest(&**tx).await?,
        letters_max: new.letters_max.map(|letters| i64::try_from(letters).unwrap_or(i64::MAX)),
        rate_per_second: number(new.rate_per_second),
        canary: number(new.canary),
        stop_percent: number(new.stop_percent),
        stop_window: number(new.stop_window),
        patience_seconds: number(new.patience_seconds),
        actor: new.actor,
        reason: new.reason,
        state: RunState::Claiming,
        state_at: now,
        state_by: None,
        state_reason: None,
        total: 0,
        replayed: 0,
        resolved: 0,
        dead_again: 0,
        skipped: 0,
        claimed_until: None,
        claimed_all: false,
        canary_passed: new.canary == 0,
        judged_since: now,
        tended: true,
        lease: None,
        lease_until: None,
        created_at: now,
        updated_at: now,
        finished_at: None,
    };
    let active: ActiveModel = sea_orm::IntoActiveModel::into_active_model(row.clone()).reset_all();
    Entity::insert(ActiveModel { id: Set(row.id), ..active }).exec_without_returning(&**tx).await?;
    Ok(row.into())
}
