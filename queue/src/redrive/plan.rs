//! What a run would do, without doing it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, QuerySelect};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    database::Database,
    dead_letters::{self, DeadLetter, Direction, Filter, Groups, LetterState},
    foresight::{Foreseer, Foresight, Outlook},
};

/// Letters that are put to their jobs at once.
const BATCH: u64 = 500;

/// Groups that a plan shows.
const GROUPS: u64 = 50;

/// Samples that a plan shows.
const SAMPLES: usize = 5;

/// What replaying a choice of letters would come to now.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// Dead letters that match, counted up to [`Plan::COUNTED`]; where a text is looked for, those among the newest
    /// [`Filter::SEARCHED`].
    pub matching: u64,
    /// Whether that is all of them.
    pub matching_complete: bool,
    /// Letters that a run with this limit would take.
    pub would_replay: u64,
    /// The newest letter there is: a run that is made now would end with it.
    pub cut_off: Option<Uuid>,
    /// When the oldest of those examined died.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When the newest of those examined died.
    pub newest_at: Option<DateTime<Utc>>,
    /// The causes of all that match, the largest group first.
    pub groups: Groups,
    /// A few of the oldest letters.
    pub samples: Vec<DeadLetter>,
    /// Letters that were put to their jobs, the oldest first: at most [`Plan::EXAMINED`].
    pub examined: u64,
    /// What the jobs say about those examined, the most frequent first.
    pub outlooks: Vec<OutlookCount>,
}

impl Plan {
    /// Where counting stops.
    pub const COUNTED: u64 = 100_000;
    /// Where examining stops.
    pub const EXAMINED: u64 = 10_000;

    /// How many of those examined have this outlook.
    #[must_use]
    pub fn expected(&self, outlook: Outlook) -> u64 {
        self.outlooks.iter().filter(|count| count.outlook == outlook).map(|count| count.letters).sum()
    }
}

/// How many letters would come to the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutlookCount {
    pub outlook: Outlook,
    /// Why, in the job's words.
    pub reason: String,
    pub letters: u64,
    /// The oldest of these letters.
    pub sample_id: Uuid,
}

/// What a run over the dead letters that match would do now: how many there are, why they died, and what their jobs
/// would do with them. Changes nothing.
///
/// # Errors
/// A statement failed, or a job could not read its state.
pub async fn plan(db: &Database, filter: &Filter, limit: Option<u64>, foreseer: &Foreseer) -> anyhow::Result<Plan> {
    let filter = filter.in_state(LetterState::Dead);
    let cut_off = dead_letters::newest(&**db).await?;
    let matching = dead_letters::count(db, &filter, Plan::COUNTED).await?;
    let groups = dead_letters::groups(db, &filter, GROUPS).await?;
    let would_replay = limit.map_or(matching, |limit| matching.min(limit));
    let mut plan = Plan {
        matching,
        matching_complete: matching < Plan::COUNTED && (filter.text.is_none() || groups.complete),
        would_replay,
        cut_off,
        oldest_at: None,
        newest_at: None,
        groups,
        samples: Vec::new(),
        examined: 0,
        outlooks: Vec::new(),
    };
    if let Some(cut_off) = cut_off {
        let most = limit.unwrap_or(Plan::EXAMINED).min(Plan::EXAMINED);
        examine(db, &filter, cut_off, most, foreseer, &mut plan).await?;
    }
    Ok(plan)
}

async fn examine(
    db: &Database,
    filter: &Filter,
    cut_off: Uuid,
    most: u64,
    foreseer: &Foreseer,
    plan: &mut Plan,
) -> anyhow::Result<()> {
    let mut counts: HashMap<Foresight, (u64, Uuid)> = HashMap::new();
    let mut after = None;
    while plan.examined < most {
        let (letters, next) = page(db, filter, after, cut_off, BATCH.min(most - plan.examined)).await?;
        for (letter, foresight) in letters.iter().zip(foreseer.foresee(&letters).await?) {
            counts.entry(foresight).or_insert((0, letter.id)).0 += 1;
            plan.oldest_at = Some(plan.oldest_at.map_or(letter.last_at, |at| at.min(letter.last_at)));
            plan.newest_at = Some(plan.newest_at.map_or(letter.last_at, |at| at.max(letter.last_at)));
        }
        plan.examined += u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let room = SAMPLES.saturating_sub(plan.samples.len());
        plan.samples.extend(letters.into_iter().take(room));
        after = next;
        if after.is_none() {
            break;
        }
    }
    let outlooks = counts.into_iter().map(|(foresight, (letters, sample_id))| OutlookCount {
        outlook: foresight.outlook,
        reason: foresight.reason.into_owned(),
        letters,
        sample_id,
    });
    plan.outlooks = outlooks.collect();
    plan.outlooks.sort_by(|one, other| (other.letters, one.sample_id).cmp(&(one.letters, other.sample_id)));
    Ok(())
}

/// The next letters, oldest first, and where to go on.
async fn page(
    db: &Database,
    filter: &Filter,
    after: Option<Uuid>,
    cut_off: Uuid,
    limit: u64,
) -> Result<(Vec<DeadLetter>, Option<Uuid>), DbErr> {
    let stretch = filter.stretch(&**db, Direction::OldestFirst, after, Some(cut_off)).await?;
    let letters = stretch.letters.limit(limit).all(&**db).await?;
    let full = u64::try_from(letters.len()).unwrap_or(u64::MAX) == limit;
    let next = if full { letters.last().map(|letter| letter.id) } else { stretch.edge };
    Ok((letters.into_iter().map(DeadLetter::from).collect(), next))
}
