//! Sending a dead letter on its way again.

use std::collections::BTreeMap;

use chrono::Utc;
use sea_orm::{DbErr, entity::prelude::*, sea_query::Expr};
use uuid::Uuid;

use super::{Column, Entity, LetterState, Model, REPLAY_NO, REPLAY_OF, filter::is};
use crate::{
    database::Database,
    message::{Continues, NewMessage},
};

/// Why a letter was not replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    #[error("there is no dead letter {0}")]
    NotFound(Uuid),
    /// It has been replayed; if the replay died, that is a letter of its own.
    #[error("dead letter {0} has been replayed already")]
    AlreadyReplayed(Uuid),
    /// Somebody else decides about it, or has decided: a run has claimed it, or it was discarded or replaced.
    #[error("dead letter {0} is {1}, not dead")]
    NotDead(Uuid, LetterState),
    /// Its body is not text, so no job could read it.
    #[error("the body of dead letter {0} is not text; no job can read it")]
    Unreadable(Uuid),
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Enqueues the letter's message again, with a fresh count of attempts but the same `message_id`: an inbox recognises
/// an effect that has happened already. Returns the id of the new outbox row. Of any number of concurrent calls for one
/// letter, one succeeds.
///
/// # Errors
/// See [`ReplayError`]; the letter is then unchanged.
pub async fn replay(db: &Database, id: Uuid) -> Result<Uuid, ReplayError> {
    let row_id = Uuid::now_v7();
    let now = Utc::now();
    let mut tx = db.begin().await?;
    let claimed = Entity::update_many()
        .col_expr(Column::State, Expr::value(LetterState::Replayed.as_str()))
        .col_expr(Column::StateAt, Expr::value(now))
        .col_expr(Column::StateBy, Expr::value(Option::<String>::None))
        .col_expr(Column::StateReason, Expr::value(Option::<String>::None))
        .col_expr(Column::RedriveId, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::ReplayedAt, Expr::value(now))
        .col_expr(Column::ReplayedAs, Expr::value(row_id))
        .col_expr(Column::ReplayFailures, Expr::value(0))
        .col_expr(Column::ReplayError, Expr::value(Option::<String>::None))
        .filter(Column::Id.eq(id))
        .filter(is(LetterState::Dead))
        .exec_with_returning(&*tx)
        .await?;
    let Some(letter) = claimed.into_iter().next() else {
        let known = Entity::find_by_id(id).one(&*tx).await?;
        return Err(match known.map(|letter| letter.state) {
            None => ReplayError::NotFound(id),
            Some(LetterState::Replayed | LetterState::Resolved | LetterState::DeadAgain) => {
                ReplayError::AlreadyReplayed(id)
            }
            Some(
                state @ (LetterState::Dead | LetterState::Claimed | LetterState::Discarded | LetterState::Replaced),
            ) => ReplayError::NotDead(id, state),
        });
    };
    if !readable(&letter) {
        return Err(ReplayError::Unreadable(id));
    }
    fail::fail_point!("replay.claimed");
    tx.enqueue(vec![replayed(letter, row_id)]).await?;
    tx.commit().await?;
    fail::fail_point!("replay.committed");
    tracing::info!(dead_letter = %id, outbox_id = %row_id, "dead letter replayed");
    Ok(row_id)
}

/// Whether a job could read it at all.
pub(crate) fn readable(letter: &Model) -> bool {
    letter.body_encoding == "text"
}

/// The message of a letter as a new row of the outbox.
pub(crate) fn replayed(letter: Model, row_id: Uuid) -> NewMessage {
    let mut headers: BTreeMap<String, String> = serde_json::from_str(&letter.headers).unwrap_or_default();
    headers.insert(REPLAY_OF.to_owned(), letter.id.to_string());
    headers.insert(REPLAY_NO.to_owned(), letter.replay_no.saturating_add(1).to_string());
    NewMessage {
        queue: letter.queue.into(),
        kind: letter.kind.into(),
        payload: letter.body,
        headers,
        due_at: None,
        continues: Some(Continues { row_id, message_id: letter.message_id, attempts: 0 }),
    }
}
