//! What became of replays.

use chrono::Utc;
use sea_orm::{ConnectionTrait, DbErr, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Entity, REPLAY_OF, State, filter::is};
use crate::message::Message;

/// Ids per statement.
const IDS: usize = 500;

/// The dead letter that this message replays.
pub(crate) fn replay_of(message: &Message) -> Option<Uuid> {
    Uuid::parse_str(message.headers.get(REPLAY_OF)?).ok()
}

/// Marks what became of the replays of these letters. Only what is on its way has an outcome: a second mark, by a
/// redelivery, changes nothing.
pub(crate) async fn mark<C: ConnectionTrait>(connection: &C, mut ids: Vec<Uuid>, state: State) -> Result<(), DbErr> {
    ids.sort_unstable();
    ids.dedup();
    for ids in ids.chunks(IDS) {
        let marked = Entity::update_many()
            .col_expr(Column::State, Expr::value(state.as_str()))
            .col_expr(Column::StateAt, Expr::value(Utc::now()))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(is(State::Replayed))
            .exec(connection)
            .await?;
        metrics::counter!("quittance_replay_outcomes_total", "outcome" => state.as_str())
            .increment(marked.rows_affected);
    }
    Ok(())
}
