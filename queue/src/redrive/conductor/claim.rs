//! A run takes its letters before it replays any, so that two runs never want the same one, and gives back what it does
//! not replay.

use chrono::Utc;
use sea_orm::{DbErr, QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Stepped, enter};
use crate::{
    database::Transaction,
    dead_letters::{self as letters, Filter, LetterState, is, next_ids, of_run},
    redrive::{Column, Entity, Model, RunState},
};

/// Letters claimed, or given back, in one transaction.
const CHUNK: u64 = 500;

/// Claims the next letters of a run that the transaction has locked.
pub(super) async fn claim(tx: &Transaction, run: &Model) -> Result<Stepped, DbErr> {
    let filter: Filter = serde_json::from_str(&run.filter).map_err(|error| DbErr::Json(error.to_string()))?;
    let room = run.letters_max.map_or(CHUNK, |most| u64::try_from(most - run.total).unwrap_or(0).min(CHUNK));
    let (claimed, next) = match run.cut_off {
        Some(cut_off) if room > 0 => {
            let filter = filter.in_state(LetterState::Dead);
            let (ids, next) = next_ids(tx, &filter, run.claimed_until, cut_off, room).await?;
            (take(tx, run.id, ids).await?, next)
        }
        _ => (0, None),
    };
    let all = next.is_none() || run.letters_max.is_some_and(|most| run.total + claimed >= most);
    Entity::update_many()
        .col_expr(Column::Total, Expr::value(run.total + claimed))
        .col_expr(Column::ClaimedUntil, Expr::value(next.or(run.claimed_until)))
        .col_expr(Column::ClaimedAll, Expr::value(all))
        .col_expr(Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(Column::Id.eq(run.id))
        .exec(&**tx)
        .await?;
    if all {
        let state = if run.canary_passed { RunState::Running } else { RunState::Canary };
        enter(tx, run, state, None).await?;
    }
    Ok(Stepped::Busy)
}

/// Those of the letters that are still dead when they are locked. In the order of their ids, so that two runs that want the
/// same ones wait for each other and not in a circle.
async fn take(tx: &Transaction, run: Uuid, ids: Vec<Uuid>) -> Result<i64, DbErr> {
    if ids.is_empty() {
        return Ok(0);
    }
    let free: Vec<Uuid> = letters::Entity::find()
        .select_only()
        .column(letters::Column::Id)
        .filter(letters::Column::Id.is_in(ids))
        .filter(is(LetterState::Dead))
        .order_by_asc(letters::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(&**tx)
        .await?;
    let claimed = letters::Entity::update_many()
        .col_expr(letters::Column::State, Expr::value(LetterState::Claimed.as_str()))
        .col_expr(letters::Column::StateAt, Expr::value(Utc::now()))
        .col_expr(letters::Column::StateBy, Expr::value(Option::<String>::None))
        .col_expr(letters::Column::StateReason, Expr::value(Option::<String>::None))
        .col_expr(letters::Column::RedriveId, Expr::value(run))
        .filter(letters::Column::Id.is_in(free))
        .exec(&**tx)
        .await?;
    Ok(i64::try_from(claimed.rows_affected).unwrap_or(i64::MAX))
}

/// Makes the next letters that the run has claimed and not replayed `dead` again. Tells whether some may be left.
pub(crate) async fn give_back(tx: &Transaction, run: Uuid) -> Result<bool, DbErr> {
    let ids: Vec<Uuid> = letters::Entity::find()
        .select_only()
        .column(letters::Column::Id)
        .filter(of_run(run))
        .filter(is(LetterState::Claimed))
        .limit(CHUNK)
        .into_tuple()
        .all(&**tx)
        .await?;
    let left = u64::try_from(ids.len()).unwrap_or(u64::MAX) == CHUNK;
    letters::Entity::update_many()
        .col_expr(letters::Column::State, Expr::value(LetterState::Dead.as_str()))
        .col_expr(letters::Column::StateAt, Expr::value(Utc::now()))
        .col_expr(letters::Column::RedriveId, Expr::value(Option::<Uuid>::None))
        .filter(letters::Column::Id.is_in(ids))
        .exec(&**tx)
        .await?;
    Ok(left)
}
