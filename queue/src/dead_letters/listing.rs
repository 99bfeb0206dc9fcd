//! Looking at dead letters.

use sea_orm::{DbErr, PaginatorTrait, QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Column, DeadLetter, Direction, Entity, Filter};
use crate::database::Database;

/// Most letters that one page holds.
const PAGE_MAX: u64 = 500;

/// A part of a list, newest first; its cost does not grow with its depth.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The last letter of the page before; `None` starts with the newest.
    pub after: Option<Uuid>,
    /// Letters wanted, at most 500.
    pub limit: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, limit: 50 }
    }
}

/// A page of dead letters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LetterPage {
    /// Newest first.
    pub letters: Vec<DeadLetter>,
    /// [`Page::after`] of the next page; `None` when this was the last. Where a text is looked for, a page that is
    /// short, or even empty, need not be the last: only so many letters are searched at a time.
    pub next: Option<Uuid>,
}

/// Dead letters, newest first, and where to go on.
pub async fn search(db: &Database, filter: &Filter, page: Page) -> Result<LetterPage, DbErr> {
    let limit = page.limit.clamp(1, PAGE_MAX);
    let stretch = filter.stretch(&**db, Direction::NewestFirst, page.after, None).await?;
    let letters = stretch.letters.limit(limit).all(&**db).await?;
    let full = u64::try_from(letters.len()).unwrap_or(u64::MAX) == limit;
    let next = if full { letters.last().map(|letter| letter.id) } else { stretch.edge };
    Ok(LetterPage { letters: letters.into_iter().map(DeadLetter::from).collect(), next })
}

/// Dead letters, newest first: [`search`] for those who need no more than a page. Without a text in the filter, a page
/// shorter than its limit is the last.
pub async fn list(db: &Database, filter: &Filter, page: Page) -> Result<Vec<DeadLetter>, DbErr> {
    Ok(search(db, filter, page).await?.letters)
}

/// One dead letter.
pub async fn show(db: &Database, id: Uuid) -> Result<Option<DeadLetter>, DbErr> {
    Ok(Entity::find_by_id(id).one(&**db).await?.map(DeadLetter::from))
}

/// How many letters match, counted up to `counted_max`. Where a text is looked for, only among the newest
/// [`Filter::SEARCHED`].
pub async fn count(db: &Database, filter: &Filter, counted_max: u64) -> Result<u64, DbErr> {
    let stretch = filter.stretch(&**db, Direction::NewestFirst, None, None).await?;
    stretch.letters.select_only().column(Column::Id).limit(counted_max).count(&**db).await
}

/// The id of the newest letter of all: what arrives later has a greater one.
pub async fn newest<C: ConnectionTrait>(connection: &C) -> Result<Option<Uuid>, DbErr> {
    let ids = Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id).limit(1);
    ids.into_tuple().one(connection).await
}
