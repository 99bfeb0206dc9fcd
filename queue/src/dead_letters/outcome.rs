//! What became of replays.

use chrono::Utc;
use sea_orm::{ConnectionTrait, DbErr, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Entity, LetterState, REPLAY_OF, filter::is};
use crate::message::Message;

/// Ids per statement.
const IDS: usize = 500;

/// A replay that has failed and is tried again.
#[derive(Clone, Debug)]
pub(crate) struct FailedReplay {
    pub(crate) letter: Uuid,
    /// Attempts of the replay so far.
    pub(crate) attempts: u32,
    pub(crate) error: String,
}

/// The dead letter that this message replays.
pub(crate) fn replay_of(message: &Message) -> Option<Uuid> {
    Uuid::parse_str(message.headers.get(REPLAY_OF)?).ok()
}

/// Writes down that replays of letters have failed so often, and with which error, and are tried again: a run's canary
/// need not wait for the last of them.
pub(crate) async fn failing<C: ConnectionTrait>(connection: &C, failures: &[FailedReplay]) -> Result<(), DbErr> {
    for FailedReplay { letter, attempts, error } in failures {
        Entity::update_many()
            .col_expr(Column::ReplayFailures, Expr::value(i32::try_from(*attempts).unwrap_or(i32::MAX)))
            .col_expr(Column::ReplayError, Expr::value(error.as_str()))
            .filter(Column::Id.eq(*letter))
            .filter(is(LetterState::Replayed))
            .exec(connection)
            .await?;
    }
    Ok(())
}

/// Marks what became of the replays of these letters. Only what is on its way has an outcome: a second mark, by a
/// redelivery, changes nothing.
pub(crate) async fn mark<C: ConnectionTrait>(
    connection: &C,
    mut ids: Vec<Uuid>,
    state: LetterState,
) -> Result<(), DbErr> {
    ids.sort_unstable();
    ids.dedup();
    for ids in ids.chunks(IDS) {
        let marked = Entity::update_many()
            .col_expr(Column::State, Expr::value(state.as_str()))
            .col_expr(Column::StateAt, Expr::value(Utc::now()))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(is(LetterState::Replayed))
            .exec(connection)
            .await?;
        metrics::counter!("quittance_replay_outcomes_total", "outcome" => state.as_str())
            .increment(marked.rows_affected);
    }
    Ok(())
}
