//! Redrive runs: a stored choice of dead letters that are replayed step by step, watched, and stopped when they die
//! again.
//!
//! A run is a row. A conductor, of which each worker process has one, claims the run's letters in chunks, replays a few
//! and waits for what becomes of them (the canary), then the rest at the run's rate. Everything it decides on stands in
//! the database and every step is one transaction that names the run's lease, so that a step is done by one conductor
//! or not at all: one that dies is followed by another which goes on where it stood.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dead_letters::Filter;

mod acts;
mod conductor;
mod create;
mod listing;
mod plan;

pub use acts::{RunError, abort, pause, resume};
pub use conductor::Conductor;
pub use create::{InvalidRun, NewRun, create};
pub use listing::{RunPage, list, show};
pub use plan::{OutlookCount, Plan, plan};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Taking its letters, so that no other run has them too.
    #[sea_orm(string_value = "claiming")]
    Claiming,
    /// The first few are replayed; the rest waits until all of them have ended well.
    #[sea_orm(string_value = "canary")]
    Canary,
    /// The rest is replayed at the run's rate, and the outcomes of the last ones are waited for.
    #[sea_orm(string_value = "running")]
    Running,
    /// An operator holds the run; it can be resumed.
    #[sea_orm(string_value = "paused")]
    Paused,
    /// The run's own rule holds it, because too many died again; it can be resumed.
    #[sea_orm(string_value = "stopped")]
    Stopped,
    /// Every replay has its outcome, or had none in time.
    #[sea_orm(string_value = "done")]
    Done,
    /// An operator ended the run; what was not replayed is `dead` again.
    #[sea_orm(string_value = "aborted")]
    Aborted,
}

impl RunState {
    /// The word for it in the table, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claiming => "claiming",
            Self::Canary => "canary",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing will follow.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Aborted)
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "redrives")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) filter: String,
    pub(crate) cut_off: Option<Uuid>,
    pub(crate) letters_max: Option<i64>,
    pub(crate) rate_per_second: i32,
    pub(crate) canary: i32,
    pub(crate) stop_percent: i32,
    pub(crate) stop_window: i32,
    pub(crate) patience_seconds: i32,
    pub(crate) actor: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) reason: String,
    pub(crate) state: RunState,
    pub(crate) state_at: DateTime<Utc>,
    pub(crate) state_by: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) state_reason: Option<String>,
    pub(crate) total: i64,
    pub(crate) replayed: i64,
    pub(crate) resolved: i64,
    pub(crate) dead_again: i64,
    pub(crate) skipped: i64,
    pub(crate) claimed_until: Option<Uuid>,
    pub(crate) claimed_all: bool,
    pub(crate) canary_passed: bool,
    pub(crate) judged_since: DateTime<Utc>,
    pub(crate) tended: bool,
    pub(crate) lease: Option<Uuid>,
    pub(crate) lease_until: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Where it stands when nobody holds it.
    pub(crate) fn phase(&self) -> RunState {
        match (self.claimed_all, self.canary_passed) {
            (false, _) => RunState::Claiming,
            (true, false) => RunState::Canary,
            (true, true) => RunState::Running,
        }
    }
}

/// A redrive run as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Run {
    /// Version 7: ordered by the time of its creation.
    pub id: Uuid,
    /// Which letters it is about; of these, those that were `dead` when it claimed them.
    pub filter: Filter,
    /// The newest letter at its creation: later ones do not belong to it.
    pub cut_off: Option<Uuid>,
    /// Letters that it takes at most, the oldest ones.
    pub letters_max: Option<u64>,
    /// Replays a second.
    pub rate_per_second: u32,
    /// Letters that have to end well before the rest follows; 0: none.
    pub canary: u32,
    /// It stops when more than so many percent of the newest outcomes are deaths.
    pub stop_percent: u32,
    /// How many outcomes that rule counts.
    pub stop_window: u32,
    /// How long an outcome is waited for, seconds.
    pub patience_seconds: u32,
    pub actor: String,
    /// Why, in the operator's words.
    pub reason: String,
    pub state: RunState,
    /// When the run entered its state.
    pub state_at: DateTime<Utc>,
    /// Who brought the run into its state; `None` where its own rule did.
    pub state_by: Option<String>,
    /// Why the run is in its state: the operator's reason, or that of its own rule.
    pub state_reason: Option<String>,
    /// Letters that it has claimed, those included that it skipped.
    pub total: u64,
    /// Letters that it has replayed.
    pub replayed: u64,
    /// Replays that ended well.
    pub resolved: u64,
    /// Replays that died.
    pub dead_again: u64,
    /// Letters that it passed over because no job could read them; each says so.
    pub skipped: u64,
    /// Whether all its letters are claimed: before that `total` still grows.
    pub claimed_all: bool,
    pub created_at: DateTime<Utc>,
    /// When the run last made progress.
    pub updated_at: DateTime<Utc>,
    /// When it was done or aborted.
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<Model> for Run {
    fn from(row: Model) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Self {
            id: row.id,
            filter: serde_json::from_str(&row.filter).unwrap_or_default(),
            cut_off: row.cut_off,
            letters_max: row.letters_max.map(count),
            rate_per_second: row.rate_per_second.unsigned_abs(),
            canary: row.canary.unsigned_abs(),
            stop_percent: row.stop_percent.unsigned_abs(),
            stop_window: row.stop_window.unsigned_abs(),
            patience_seconds: row.patience_seconds.unsigned_abs(),
            actor: row.actor,
            reason: row.reason,
            state: row.state,
            state_at: row.state_at,
            state_by: row.state_by,
            state_reason: row.state_reason,
            total: count(row.total),
            replayed: count(row.replayed),
            resolved: count(row.resolved),
            dead_again: count(row.dead_again),
            skipped: count(row.skipped),
            claimed_all: row.claimed_all,
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
        }
    }
}
