//! Redrive runs as operators see them.

use chrono::{TimeDelta, Utc};
use poem_openapi::{Enum, Object};
use queue::redrive::{OutlookCount as PlanOutlook, Plan, Run, RunState as RedriveState};
use uuid::Uuid;

use crate::time::Time;

use crate::resources::dead_letters::{
    filter::LetterFilter,
    response::{DeadLetter, Groups, Outlook},
};

/// Where a redrive run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "RedriveState", rename_all = "snake_case", remote = "RedriveState")]
pub(crate) enum RunState {
    /// Taking its letters, so that no other run has them too.
    Claiming,
    /// The first few are replayed; the rest waits until all of them have ended well.
    Canary,
    /// The rest is replayed at the run's rate, and the last outcomes are waited for.
    Running,
    /// Held by an operator; can be resumed.
    Paused,
    /// Held by its own rule: too many died again. `state_reason` says so; can be resumed.
    Stopped,
    /// Every replay has its outcome, or had none in time.
    Done,
    /// Ended by an operator; what was not replayed is `dead` again.
    Aborted,
}

/// How many letters would come to the same.
#[derive(Clone, Debug, Object)]
pub(crate) struct OutlookCount {
    outlook: Outlook,
    /// Why, in the job's words.
    reason: String,
    /// How many.
    letters: u64,
    /// The oldest of them.
    sample_id: Uuid,
}

/// What a run would come to now.
#[derive(Clone, Debug, Object)]
pub(crate) struct DryRunResult {
    /// Dead letters that match; counting stops at 100,000.
    matching: u64,
    /// Whether that is all of them.
    matching_complete: bool,
    /// Letters that the run would take.
    would_replay: u64,
    /// When the oldest of those examined died.
    oldest_at: Option<Time>,
    /// When the newest of those examined died.
    newest_at: Option<Time>,
    /// The causes of all that match.
    groups: Groups,
    /// The oldest few, with their bodies.
    samples: Vec<DeadLetter>,
    /// Letters that were put to their jobs, the oldest first: at most 10,000.
    examined: u64,
    /// What the jobs say about those examined, the most frequent first.
    outlooks: Vec<OutlookCount>,
}

impl From<Plan> for DryRunResult {
    fn from(plan: Plan) -> Self {
        let outlooks = plan.outlooks.into_iter().map(|count: PlanOutlook| OutlookCount {
            outlook: count.outlook.into(),
            reason: count.reason,
            letters: count.letters,
            sample_id: count.sample_id,
        });
        Self {
            matching: plan.matching,
            matching_complete: plan.matching_complete,
            would_replay: plan.would_replay,
            oldest_at: plan.oldest_at.map(Time),
            newest_at: plan.newest_at.map(Time),
            groups: plan.groups.into(),
            samples: plan.samples.into_iter().map(|letter| DeadLetter::new(letter, true)).collect(),
            examined: plan.examined,
            outlooks: outlooks.collect(),
        }
    }
}

/// A run over dead letters.
#[derive(Clone, Debug, Object)]
pub(crate) struct Redrive {
    pub(super) id: Uuid,
    state: RunState,
    /// Since when.
    state_at: Time,
    /// Who brought it there; null: it did so by itself.
    state_by: Option<String>,
    /// Why it stands there: the operator's reason, or its own.
    state_reason: Option<String>,
    /// Which letters it is about.
    filter: LetterFilter,
    /// Letters that it takes at most; null: all that match.
    limit: Option<u64>,
    /// Replays a second.
    rate_per_second: u32,
    /// Letters that have to end well before the rest follows.
    canary: u32,
    /// It stops when more than so many percent of its newest outcomes are deaths.
    stop_percent: u32,
    /// Who made it.
    actor: String,
    /// Why.
    reason: String,
    /// Letters that it has claimed; they still grow until `claimed_all`.
    total: u64,
    claimed_all: bool,
    /// Letters that it has replayed.
    replayed: u64,
    /// Replays that ended well.
    resolved: u64,
    /// Replays that died.
    dead_again: u64,
    /// Letters that it passed over because no job could read them; each says so.
    skipped: u64,
    /// Replays whose outcome is not known yet.
    under_way: u64,
    /// Letters that are still to be replayed.
    left: u64,
    /// When the last letter will be replayed at this rate; null while nothing is under way or not all are claimed. Letters
    /// of one payment wait for one another, so that it may take longer.
    estimated_end_at: Option<Time>,
    created_at: Time,
    /// When it last got on.
    updated_at: Time,
    /// When it was done or aborted.
    finished_at: Option<Time>,
}

impl From<Run> for Redrive {
    fn from(run: Run) -> Self {
        let left = run.total.saturating_sub(run.replayed).saturating_sub(run.skipped);
        let going = matches!(run.state, RedriveState::Canary | RedriveState::Running) && run.claimed_all;
        let seconds = i64::try_from(left.div_ceil(u64::from(run.rate_per_second).max(1))).unwrap_or(i64::MAX);
        let estimated = TimeDelta::try_seconds(seconds).and_then(|wait| Utc::now().checked_add_signed(wait));
        Self {
            id: run.id,
            state: run.state.into(),
            state_at: run.state_at.into(),
            state_by: run.state_by,
            state_reason: run.state_reason,
            filter: run.filter.into(),
            limit: run.letters_max,
            rate_per_second: run.rate_per_second,
            canary: run.canary,
            stop_percent: run.stop_percent,
            actor: run.actor,
            reason: run.reason,
            total: run.total,
            claimed_all: run.claimed_all,
            replayed: run.replayed,
            resolved: run.resolved,
            dead_again: run.dead_again,
            skipped: run.skipped,
            under_way: run.replayed.saturating_sub(run.resolved).saturating_sub(run.dead_again),
            left,
            estimated_end_at: estimated.filter(|_| going).map(Time),
            created_at: run.created_at.into(),
            updated_at: run.updated_at.into(),
            finished_at: run.finished_at.map(Time),
        }
    }
}

/// A page of runs.
#[derive(Clone, Debug, Object)]
pub(crate) struct RedrivePage {
    /// Newest first.
    pub(crate) items: Vec<Redrive>,
    /// Continues after this page; null on the last.
    pub(crate) next_cursor: Option<String>,
}
