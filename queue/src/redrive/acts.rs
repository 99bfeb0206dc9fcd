//! What operators do with a run. Each act is part of the caller's transaction; it waits for a step that a conductor is
//! just taking, and no further one follows its commit.

use chrono::Utc;
use sea_orm::{DbErr, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Entity, Model, Run, RunState};
use crate::{database::Transaction, dead_letters::Act};

/// Why nothing was done about a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    #[error("there is no redrive {0}")]
    NotFound(Uuid),
    /// It is in a state that does not allow this.
    #[error("redrive {id} is {state}; {allowed}")]
    State {
        id: Uuid,
        state: RunState,
        /// What would be possible, as a sentence.
        allowed: &'static str,
    },
    /// A statement failed: the caller rolls the transaction back.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Holds a run that is under way. What is replayed already goes on; its outcomes are still counted.
///
/// # Errors
/// There is no such run, or it is not under way: the operator is told which.
pub async fn pause(tx: &mut Transaction, id: Uuid, act: Act<'_>) -> Result<Run, RunError> {
    let run = locked(tx, id).await?;
    match run.state {
        RunState::Claiming | RunState::Canary | RunState::Running => {
            Ok(Move { state: RunState::Paused, tended: false, judged_since: None }.write(tx, run, act).await?)
        }
        state @ (RunState::Paused | RunState::Stopped | RunState::Done | RunState::Aborted) => {
            Err(RunError::State { id, state, allowed: "only what is under way can be paused" })
        }
    }
}

/// Lets a run go on that was paused or has stopped by itself. After a stop it is judged anew: by the outcomes of what
/// it replays from now on, with a new canary if the first did not pass.
///
/// # Errors
/// There is no such run, or nothing holds it back: the operator is told which.
pub async fn resume(tx: &mut Transaction, id: Uuid, act: Act<'_>) -> Result<Run, RunError> {
    let run = locked(tx, id).await?;
    let judged_since = match run.state {
        RunState::Paused => None,
        RunState::Stopped => Some(Utc::now()),
        state @ (RunState::Claiming | RunState::Canary | RunState::Running | RunState::Done | RunState::Aborted) => {
            return Err(RunError::State { id, state, allowed: "only what is paused or stopped can be resumed" });
        }
    };
    Ok(Move { state: run.phase(), tended: true, judged_since }.write(tx, run, act).await?)
}

/// Ends a run. What it has not replayed is `dead` again, within seconds if there is much of it; what is on its way goes
/// on.
///
/// # Errors
/// There is no such run, or it has ended: the operator is told which.
pub async fn abort(tx: &mut Transaction, id: Uuid, act: Act<'_>) -> Result<Run, RunError> {
    let run = locked(tx, id).await?;
    if run.state.is_final() {
        return Err(RunError::State { id, state: run.state, allowed: "it has ended already" });
    }
    let left = super::conductor::give_back(tx, id).await?;
    Ok(Move { state: RunState::Aborted, tended: left, judged_since: None }.write(tx, run, act).await?)
}

async fn locked(tx: &Transaction, id: Uuid) -> Result<Model, RunError> {
    Entity::find_by_id(id).lock_exclusive().one(&**tx).await?.ok_or(RunError::NotFound(id))
}

struct Move {
    state: RunState,
    tended: bool,
    judged_since: Option<DateTimeUtc>,
}

impl Move {
    async fn write(self, tx: &Transaction, run: Model, act: Act<'_>) -> Result<Run, DbErr> {
        let now = Utc::now();
        let finished_at = self.state.is_final().then_some(now);
        let updated = Entity::update_many()
            .col_expr(Column::State, Expr::value(self.state.as_str()))
            .col_expr(Column::StateAt, Expr::value(now))
            .col_expr(Column::StateBy, Expr::value(act.actor))
            .col_expr(Column::StateReason, Expr::value(act.reason))
            .col_expr(Column::Tended, Expr::value(self.tended))
            // Its conductor finds the lease gone, and the next one finds it free.
            .col_expr(Column::Lease, Expr::value(Option::<Uuid>::None))
            .col_expr(Column::JudgedSince, Expr::value(self.judged_since.unwrap_or(run.judged_since)))
            .col_expr(Column::FinishedAt, Expr::value(finished_at))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.eq(run.id))
            .exec_with_returning(&**tx)
            .await?;
        Ok(updated.into_iter().next().unwrap_or(run).into())
    }
}
