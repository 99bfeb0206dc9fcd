//! Looking at runs.

use sea_orm::{DbErr, QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Column, Entity, Run, RunState, conductor::tally};
use crate::database::Database;

/// Most runs that one page holds.
const PAGE_MAX: u64 = 500;

/// A part of the list of runs, newest first.
#[derive(Clone, Copy, Debug)]
pub struct RunPage {
    /// The last run of the page before; `None` starts with the newest.
    pub after: Option<Uuid>,
    /// Only those in this state.
    pub state: Option<RunState>,
    /// Runs wanted, at most 500.
    pub limit: u64,
}

impl Default for RunPage {
    fn default() -> Self {
        Self { after: None, state: None, limit: 50 }
    }
}

/// Runs, newest first; a page shorter than its limit is the last. The counts of outcomes are as their conductors last saw
/// them, a second ago at most while they are under way.
pub async fn list(db: &Database, page: RunPage) -> Result<Vec<Run>, DbErr> {
    let mut runs = Entity::find().order_by_desc(Column::Id).limit(page.limit.min(PAGE_MAX));
    if let Some(after) = page.after {
        runs = runs.filter(Column::Id.lt(after));
    }
    if let Some(state) = page.state {
        runs = runs.filter(Column::State.eq(state));
    }
    Ok(runs.all(&**db).await?.into_iter().map(Run::from).collect())
}

/// One run, with the outcomes of this moment. Its letters are those of a [`crate::dead_letters::Filter`] with its
/// `redrive_id`.
pub async fn show(db: &Database, id: Uuid) -> Result<Option<Run>, DbErr> {
    let Some(mut row) = Entity::find_by_id(id).one(&**db).await? else { return Ok(None) };
    let tally = tally(&**db, id).await?;
    (row.resolved, row.dead_again) = (tally.resolved, tally.dead_again);
    row.replayed = row.replayed.max(tally.replayed());
    Ok(Some(row.into()))
}
