//! Pages of lists: numbered as the contract has them, bounded counts, and an opaque cursor for going deep.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use payments::listing::{Key, Listing};
use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use queue::Database;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QuerySelect, QueryTrait, Select, TryGetable,
    sea_query::{Alias, Expr, Query},
};
use serde_json::Value;
use uuid::Uuid;

use crate::problem::{Code, Location, Problem, Wrong};

/// Where counting stops: a list that says 10,000 has that many or more.
pub(crate) const COUNT_MAX: u64 = 10_000;

/// How far pages go by their number. What is passed over has to be read: who goes deeper goes on with a cursor.
pub(crate) const DEPTH_MAX: u64 = 100_000;

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:expr, default $default:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) u32);

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl $name {
            /// What is wrong with any other number.
            pub(crate) fn wrong() -> Wrong {
                Wrong::IntegerWithin { min: $min, max: $max }
            }
        }

        impl Type for $name {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                let mut schema = MetaSchema::new_with_format("integer", "int32");
                schema.minimum = Some(f64::from($min));
                schema.maximum = Some(f64::from($max));
                MetaSchemaRef::Inline(Box::new(schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                let number = value.parse::<u32>().ok().filter(|number| ($min..=$max).contains(number));
                number.map(Self).ok_or_else(|| ParseError::custom(Self::wrong()))
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(self.0.into())
            }
        }
    };
}

bounded! {
    /// The number of a page; the first is 1.
    Page, 1..=i32::MAX.unsigned_abs(), default 1
}

bounded! {
    /// How many items a page has.
    PerPage, 1..=100_u32, default 10
}

bounded! {
    /// How many items a list without pages of its own has.
    Limit, 1..=1000_u32, default 1000
}

bounded! {
    /// How many items a page of the checkout's list has.
    PageLimit, 1..=100_u32, default 20
}

bounded! {
    /// How long a stream lasts, seconds.
    StreamSeconds, 1..=3600_u32, default 900
}

bounded! {
    /// How many items are passed over.
    Offset, 0..=i32::MAX.unsigned_abs(), default 0
}

/// A page of a list.
#[derive(Clone, Debug, Object)]
pub(crate) struct Paged<T: ParseFromJSON + ToJSON> {
    /// Newest first.
    pub(crate) items: Vec<T>,
    /// The number of this page; the first is 1.
    pub(crate) page: u32,
    /// How many items a page has at most.
    pub(crate) per_page: u32,
    /// How many items there are in all; counting stops at 10,000, which means that many or more.
    pub(crate) total: u64,
}

/// Reads a page; the select must be ordered.
pub(crate) async fn read<E, T>(
    db: &Database,
    select: Select<E>,
    page: Page,
    per_page: PerPage,
    item: impl Fn(E::Model) -> T,
) -> Result<Paged<T>, Problem>
where
    E: EntityTrait<Model: FromQueryResult + Send + Sync>,
    T: ParseFromJSON + ToJSON,
{
    let total = count(&**db, &select).await?;
    let models = match passed_over(page, per_page, total)? {
        Some(offset) => select.offset(offset).limit(u64::from(per_page.0)).all(&**db).await?,
        None => Vec::new(),
    };
    Ok(Paged { items: models.into_iter().map(item).collect(), page: page.0, per_page: per_page.0, total })
}

/// The same of rows by node, whose order is that of the listing.
pub(crate) async fn read_listing<E, T>(
    db: &Database,
    listing: &Listing<E>,
    page: Page,
    per_page: PerPage,
    item: impl Fn(E::Model) -> T,
) -> Result<Paged<T>, Problem>
where
    E: EntityTrait<Model: FromQueryResult + Send + Sync>,
    Key<E>: TryGetable + Into<sea_orm::Value>,
    T: ParseFromJSON + ToJSON,
{
    let total = listing.count(&**db, COUNT_MAX).await?;
    let models = match passed_over(page, per_page, total)? {
        Some(offset) => listing.page(&**db, offset, u64::from(per_page.0)).await?,
        None => Vec::new(),
    };
    Ok(Paged { items: models.into_iter().map(item).collect(), page: page.0, per_page: per_page.0, total })
}

/// How many items are before a page of a list with so many in all; none where the page is behind all of them.
pub(crate) fn passed_over(page: Page, per_page: PerPage, total: u64) -> Result<Option<u64>, Problem> {
    within_depth(u64::from(page.0 - 1) * u64::from(per_page.0), total, "/page")
}

/// The same of items that are to be passed over.
pub(crate) fn within_depth(offset: u64, total: u64, pointer: &str) -> Result<Option<u64>, Problem> {
    if total < COUNT_MAX && offset >= total {
        return Ok(None);
    }
    if offset > DEPTH_MAX {
        let problem = Problem::new(Code::ValidationFailed);
        return Err(problem.wrong(pointer, Location::Query, Wrong::BehindPages(DEPTH_MAX)));
    }
    Ok(Some(offset))
}

/// How many rows the select has, counted up to [`COUNT_MAX`]: the cost of a count must not grow with the table.
pub(crate) async fn count<E: EntityTrait>(db: &impl ConnectionTrait, select: &Select<E>) -> Result<u64, DbErr> {
    let mut bounded = select.as_query().clone();
    bounded.clear_selects().clear_order_by().expr(Expr::val(1)).limit(COUNT_MAX);
    let count = Query::select()
        .expr_as(Expr::cust("COUNT(*)"), Alias::new("total"))
        .from_subquery(bounded, Alias::new("bounded"))
        .to_owned();
    let row = db.query_one(&count).await?;
    let total: i64 = row.map_or(Ok(0), |row| row.try_get("", "total"))?;
    Ok(u64::try_from(total).unwrap_or(0))
}

/// The cursor that continues after the item with this id.
pub(crate) fn cursor_after(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// The id that a cursor continues after.
pub(crate) fn after_cursor(cursor: &str) -> Option<Uuid> {
    URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| Uuid::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_bounds() {
        assert_eq!(PerPage::parse_from_parameter("100").unwrap(), PerPage(100));
        for wrong in ["0", "101", "-1", "1.5", "x", "", "99999999999"] {
            assert!(PerPage::parse_from_parameter(wrong).is_err(), "{wrong}");
        }
        assert!(Page::parse_from_parameter("0").is_err());
        assert_eq!(Page::parse_from_parameter("2").unwrap(), Page(2));
        let last = Page(i32::MAX.unsigned_abs());
        assert_eq!(passed_over(Page(1_001), PerPage(100), COUNT_MAX).unwrap(), Some(DEPTH_MAX));
        assert!(passed_over(Page(1_002), PerPage(100), COUNT_MAX).is_err());
        assert!(passed_over(last, PerPage(100), COUNT_MAX).is_err());
        assert_eq!(passed_over(last, PerPage(100), 12).unwrap(), None, "there is nothing, however deep");
    }

    #[test]
    fn cursors_return_to_their_id() {
        let id = Uuid::now_v7();
        assert_eq!(after_cursor(&cursor_after(id)), Some(id));
        assert_eq!(after_cursor("nonsense"), None);
        assert_eq!(after_cursor(""), None);
    }
}
