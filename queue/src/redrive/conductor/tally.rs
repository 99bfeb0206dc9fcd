//! What has become of a run's letters so far.

use sea_orm::{ConnectionTrait, DbErr, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use crate::dead_letters::{self as letters, LetterState, of_run};

/// A run's letters by their states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Letters that wait for their replay.
    pub(crate) claimed: i64,
    /// Letters whose replay has no outcome yet.
    pub(crate) under_way: i64,
    pub(crate) resolved: i64,
    pub(crate) dead_again: i64,
}

impl Tally {
    pub(crate) fn replayed(&self) -> i64 {
        self.under_way + self.resolved + self.dead_again
    }
}

/// Counts the letters by state; an index alone answers.
pub(crate) async fn tally<C: ConnectionTrait>(connection: &C, run: Uuid) -> Result<Tally, DbErr> {
    let counts: Vec<(LetterState, i64)> = letters::Entity::find()
        .select_only()
        .column(letters::Column::State)
        .column_as(Expr::cust("COUNT(*)"), "letters")
        .filter(of_run(run))
        .group_by(letters::Column::State)
        .into_tuple()
        .all(connection)
        .await?;
    let mut tally = Tally::default();
    for (state, count) in counts {
        match state {
            LetterState::Claimed => tally.claimed = count,
            LetterState::Replayed => tally.under_way = count,
            LetterState::Resolved => tally.resolved = count,
            LetterState::DeadAgain => tally.dead_again = count,
            // Skipped ones are dead, and counted by the run.
            LetterState::Dead | LetterState::Discarded | LetterState::Replaced => {}
        }
    }
    Ok(tally)
}
