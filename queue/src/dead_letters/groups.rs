//! Dead letters by their cause.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseBackend, DbErr, FromQueryResult, QueryTrait, entity::prelude::*, sea_query::Query};
use sea_orm::{QuerySelect, sea_query::Alias};
use serde::Serialize;
use uuid::Uuid;

use super::{Column, Direction, Entity, Filter, LetterState};
use crate::database::Database;

/// Most groups that are returned.
const GROUPS_MAX: u64 = 200;

/// Letters that died of the same cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Group {
    pub fingerprint: String,
    pub letters: u64,
    pub queue: String,
    pub kind: String,
    pub error_code: String,
    /// The error message of the newest letter.
    pub sample_message: String,
    /// The newest letter.
    pub sample_id: Uuid,
    /// When the first of them died.
    pub first_at: DateTime<Utc>,
    /// When the last of them died.
    pub last_at: DateTime<Utc>,
}

/// The groups of a choice of letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Groups {
    /// The largest first.
    pub groups: Vec<Group>,
    /// Letters that were counted: the newest of each state, up to [`Groups::COUNTED`]; where a text is looked for,
    /// those among the newest [`Filter::SEARCHED`] that have it.
    pub letters: u64,
    /// Whether that was all there are, and all groups are here.
    pub complete: bool,
}

impl Groups {
    /// Where counting stops, so that a look at a heap of letters does not add to the load.
    pub const COUNTED: u64 = 200_000;
}

#[derive(FromQueryResult)]
struct GroupRow {
    fingerprint: String,
    letters: i64,
    sample_id: Uuid,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

/// The matching letters by cause, the largest group first, at most `limit` (and 200) of them.
pub async fn groups(db: &Database, filter: &Filter, limit: u64) -> Result<Groups, DbErr> {
    let states = filter.state.map_or(LetterState::ALL.to_vec(), |state| vec![state]);
    let (mut together, mut searched): (Vec<GroupRow>, bool) = (Vec::new(), true);
    // State by state: then an index answers without a look at the rows.
    for state in states {
        let (counted, all) = counted(db, &filter.in_state(state)).await?;
        searched &= all;
        for group in counted {
            match together.iter_mut().find(|known| known.fingerprint == group.fingerprint) {
                Some(known) => known.add(&group),
                None => together.push(group),
            }
        }
    }
    describe(db, together, limit, searched).await
}

impl GroupRow {
    fn add(&mut self, other: &Self) {
        self.letters += other.letters;
        self.sample_id = self.sample_id.max(other.sample_id);
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
    }
}

/// The groups among the newest that match, and whether these were all.
async fn counted(db: &Database, filter: &Filter) -> Result<(Vec<GroupRow>, bool), DbErr> {
    let backend = db.get_database_backend();
    let stretch = filter.stretch(&**db, Direction::NewestFirst, None, None).await?;
    let looked_at = stretch
        .letters
        .select_only()
        .columns([Column::Id, Column::Fingerprint, Column::LastAt])
        .limit(Groups::COUNTED)
        .into_query();
    let newest = if backend == DatabaseBackend::Postgres { "CAST(MAX(CAST(id AS TEXT)) AS UUID)" } else { "MAX(id)" };
    let mut by_cause = Query::select();
    by_cause
        .column(Column::Fingerprint)
        .expr_as(Expr::cust("COUNT(*)"), Alias::new("letters"))
        .expr_as(Expr::cust(newest), Alias::new("sample_id"))
        .expr_as(Expr::cust("MIN(last_at)"), Alias::new("first_at"))
        .expr_as(Expr::cust("MAX(last_at)"), Alias::new("last_at"))
        .from_subquery(looked_at, Alias::new("looked_at"))
        .group_by_col(Column::Fingerprint);
    let counted = GroupRow::find_by_statement(backend.build(&by_cause)).all(&**db).await?;
    let letters: u64 = counted.iter().map(|group| group.letters.unsigned_abs()).sum();
    Ok((counted, stretch.edge.is_none() && letters < Groups::COUNTED))
}

/// Keeps the largest and looks their samples up.
async fn describe(db: &Database, mut counted: Vec<GroupRow>, limit: u64, searched: bool) -> Result<Groups, DbErr> {
    counted.sort_by(|one, other| (other.letters, &one.fingerprint).cmp(&(one.letters, &other.fingerprint)));
    let letters: u64 = counted.iter().map(|group| group.letters.unsigned_abs()).sum();
    let causes = counted.len();
    counted.truncate(usize::try_from(limit.min(GROUPS_MAX)).unwrap_or(usize::MAX));
    let complete = searched && counted.len() == causes;
    let samples =
        Entity::find().filter(Column::Id.is_in(counted.iter().map(|group| group.sample_id))).all(&**db).await?;
    let groups = counted.into_iter().filter_map(|group| {
        let sample = samples.iter().find(|letter| letter.id == group.sample_id)?;
        Some(Group {
            fingerprint: group.fingerprint,
            letters: group.letters.unsigned_abs(),
            queue: sample.queue.clone(),
            kind: sample.kind.clone(),
            error_code: sample.error_code.clone(),
            sample_message: sample.error_message.clone(),
            sample_id: group.sample_id,
            first_at: group.first_at,
            last_at: group.last_at,
        })
    });
    Ok(Groups { groups: groups.collect(), letters, complete })
}
