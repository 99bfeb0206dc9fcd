//! What operators decide about letters that are not to be replayed. Each act is part of the caller's transaction, in which
//! the caller also writes down who did it.

use chrono::{TimeDelta, Utc};
use sea_orm::{Condition, DbErr, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Direction, Entity, Filter, LetterState, filter::is};
use crate::database::Transaction;

/// Letters of one chunk; a transaction with more would keep the only writer of SQLite busy for too long.
const CHUNK: u64 = 500;

/// After this long without an outcome a replay may be taken for lost, hours: retries are through well before.
const LOST_AFTER_HOURS: i64 = 2;

/// Who acts, and why.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// As it stands in the audit log, for example `user:0190…`.
    pub actor: &'a str,
    /// In the operator's words.
    pub reason: &'a str,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    #[error("there is no dead letter {0}")]
    NotFound(Uuid),
    /// It is in a state that does not allow this; somebody else may have been quicker.
    #[error("dead letter {id} is {state}; {allowed}")]
    State {
        id: Uuid,
        state: LetterState,
        /// What would be possible, as a sentence.
        allowed: &'static str,
    },
    /// A new body that its job could not read, with what is wrong about it.
    #[error("the new body cannot be read by its job: {0}")]
    Invalid(String),
    /// A statement failed: the caller rolls the transaction back.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// A chunk of an act on many letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Letters that were changed.
    pub changed: u64,
    /// Where the next chunk begins; `None` when all are done.
    pub next: Option<Uuid>,
}

/// Decides that nothing is to be done about a letter; [`restore`] takes that back.
///
/// # Errors
/// There is no such letter, or it is not `dead`: the operator is told which.
pub async fn discard(tx: &mut Transaction, id: Uuid, act: Act<'_>) -> Result<(), ActError> {
    let changed =
        change(tx, Column::Id.eq(id).into(), LetterState::Discarded, act, is(LetterState::Dead).into()).await?;
    if changed > 0 { Ok(()) } else { Err(refused(tx, id, "only what is dead can be discarded").await?) }
}

/// Makes a discarded letter `dead` again; also one whose replay has had no outcome for two hours, because its message was
/// lost: replaying it once more is harmless, since its job's guard holds.
///
/// # Errors
/// There is no such letter, or it is neither: the operator is told which.
pub async fn restore(tx: &mut Transaction, id: Uuid, act: Act<'_>) -> Result<(), ActError> {
    let changed = change(tx, Column::Id.eq(id).into(), LetterState::Dead, act, restorable()).await?;
    let allowed = "what was discarded, or was replayed more than two hours ago without an outcome, can be restored";
    if changed > 0 { Ok(()) } else { Err(refused(tx, id, allowed).await?) }
}

/// Discards the next few hundred matching letters behind `after`, up to `last` (see [`super::newest`]), oldest first. To
/// be called, each time in a transaction of its own, until there is no next chunk.
pub async fn discard_chunk(
    tx: &mut Transaction,
    filter: &Filter,
    act: Act<'_>,
    after: Option<Uuid>,
    last: Uuid,
) -> Result<Chunk, DbErr> {
    let filter = filter.in_state(LetterState::Dead);
    let (ids, next) = next_ids(tx, &filter, after, last, CHUNK).await?;
    let changed =
        change(tx, Column::Id.is_in(ids).into(), LetterState::Discarded, act, is(LetterState::Dead).into()).await?;
    Ok(Chunk { changed, next })
}

/// Restores the next few hundred discarded letters that match, as [`discard_chunk`] discards them.
pub async fn restore_chunk(
    tx: &mut Transaction,
    filter: &Filter,
    act: Act<'_>,
    after: Option<Uuid>,
    last: Uuid,
) -> Result<Chunk, DbErr> {
    let filter = filter.in_state(LetterState::Discarded);
    let (ids, next) = next_ids(tx, &filter, after, last, CHUNK).await?;
    let changed =
        change(tx, Column::Id.is_in(ids).into(), LetterState::Dead, act, is(LetterState::Discarded).into()).await?;
    Ok(Chunk { changed, next })
}

/// The next matching letters, oldest first, and where to go on; `None` when these were the last.
pub(crate) async fn next_ids(
    tx: &Transaction,
    filter: &Filter,
    after: Option<Uuid>,
    last: Uuid,
    limit: u64,
) -> Result<(Vec<Uuid>, Option<Uuid>), DbErr> {
    let stretch = filter.stretch(&**tx, Direction::OldestFirst, after, Some(last)).await?;
    let letters = stretch.letters.select_only().column(Column::Id).limit(limit);
    let ids: Vec<Uuid> = letters.into_tuple().all(&**tx).await?;
    let full = u64::try_from(ids.len()).unwrap_or(u64::MAX) == limit;
    let next = if full { ids.last().copied() } else { stretch.edge };
    Ok((ids, next))
}

fn restorable() -> Condition {
    let lost = Column::ReplayedAt.lt(Utc::now() - TimeDelta::hours(LOST_AFTER_HOURS));
    Condition::any().add(is(LetterState::Discarded)).add(Condition::all().add(is(LetterState::Replayed)).add(lost))
}

async fn change(
    tx: &Transaction,
    which: Condition,
    state: LetterState,
    act: Act<'_>,
    guard: Condition,
) -> Result<u64, DbErr> {
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(state.as_str()))
        .col_expr(Column::StateAt, Expr::value(Utc::now()))
        .col_expr(Column::StateBy, Expr::value(act.actor))
        .col_expr(Column::StateReason, Expr::value(act.reason))
        .col_expr(Column::RedriveId, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::ReplayedAt, Expr::value(Option::<DateTimeUtc>::None))
        .col_expr(Column::ReplayedAs, Expr::value(Option::<Uuid>::None))
        .filter(which)
        .filter(guard)
        .exec(&**tx)
        .await?;
    Ok(changed.rows_affected)
}

/// Why nothing matched.
pub(super) async fn refused(tx: &Transaction, id: Uuid, allowed: &'static str) -> Result<ActError, DbErr> {
    let letter = Entity::find_by_id(id).one(&**tx).await?;
    Ok(letter.map_or(ActError::NotFound(id), |letter| ActError::State { id, state: letter.state, allowed }))
}
