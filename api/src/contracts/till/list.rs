//! Lists of the till: all of it, as its clients expect, or page by page for whoever asks for that.

use futures_util::stream;
use poem_openapi::{
    ApiResponse,
    types::{ParseFromJSON, ToJSON, Type},
};
use sea_orm::DbErr;
use uuid::Uuid;

use crate::{
    json_array::JsonArray,
    paging::{Limit, after_cursor, cursor_after},
    problem::{Code, Location, Problem, Wrong},
    query_text::QueryText,
};

/// Rows that are read at a time where all are wanted.
const PAGE: u32 = 1000;

/// A list, newest first, that is read page by page.
pub(super) trait Pages: Send + Sync + Sized + 'static {
    type Row: Send + 'static;
    type Item: Type + ParseFromJSON + ToJSON + Send + Sync;

    /// So many rows behind the one with this id, or from the first on.
    fn read(&self, behind: Option<Uuid>, limit: u64) -> impl Future<Output = Result<Vec<Self::Row>, DbErr>> + Send;

    fn id(row: &Self::Row) -> Uuid;

    fn show(&self, row: Self::Row) -> Result<Self::Item, Problem>;
}

/// A list, whole or a page of it.
#[derive(ApiResponse)]
pub(super) enum ListResponse<T: Type + ParseFromJSON + ToJSON + Send + Sync> {
    /// The list, newest first.
    #[oai(status = 200)]
    Some(
        JsonArray<T>,
        /// Where the list goes on, as `<…>; rel="next"`; missing at its end.
        #[oai(header = "Link")]
        Option<String>,
    ),
    /// There are none; there is no body.
    #[oai(status = 204)]
    None,
}

/// All of the list; or a page, where somebody says how long it may be or where it begins.
pub(super) async fn respond<P: Pages>(
    pages: P,
    path: &str,
    limit: Option<Limit>,
    cursor: Option<QueryText>,
) -> Result<ListResponse<P::Item>, Problem> {
    let rule = Wrong::Rule("is none of ours");
    let wrong = || Problem::new(Code::ValidationFailed).wrong("/cursor", Location::Query, rule);
    let behind = cursor.map(|cursor| after_cursor(&cursor.0).ok_or_else(wrong)).transpose()?;
    if limit.is_none() && behind.is_none() {
        return all(pages).await;
    }
    let limit = limit.unwrap_or_default().0;
    let mut rows = pages.read(behind, u64::from(limit) + 1).await?;
    if rows.is_empty() {
        return Ok(ListResponse::None);
    }
    let max = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > max;
    rows.truncate(max);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| format!("<{path}?limit={limit}&cursor={}>; rel=\"next\"", cursor_after(P::id(last))));
    let items = rows.into_iter().map(|row| pages.show(row)).collect::<Result<Vec<_>, _>>();
    Ok(ListResponse::Some(JsonArray::of(stream::iter([items])), next))
}

/// Where reading a whole list stands.
enum Turn<R> {
    /// These come next.
    Rows(Vec<R>),
    /// What is behind this row comes next.
    Behind(Uuid),
    End,
}

async fn all<P: Pages>(pages: P) -> Result<ListResponse<P::Item>, Problem> {
    let first = pages.read(None, PAGE.into()).await?;
    if first.is_empty() {
        return Ok(ListResponse::None);
    }
    let pages = stream::try_unfold((pages, Turn::Rows(first)), async |(pages, turn)| {
        let rows = match turn {
            Turn::Rows(rows) => rows,
            Turn::Behind(last) => pages.read(Some(last), PAGE.into()).await?,
            Turn::End => return Ok(None),
        };
        let full = rows.len() as u64 >= u64::from(PAGE);
        let turn = rows.last().filter(|_| full).map_or(Turn::End, |last| Turn::Behind(P::id(last)));
        let items = rows.into_iter().map(|row| pages.show(row)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Problem>(Some((items, (pages, turn))))
    });
    Ok(ListResponse::Some(JsonArray::of(pages), None))
}
