//! Lists of payments.

use chrono::{DateTime, Utc};
use entities::{NetworkId, PaymentId, PaymentMethod, PaymentStatus, WalletId, payment};
use payments::{
    Caller,
    listing::{Listing, PaymentFilter},
};
use poem_openapi::Object;
use queue::Database;
use sea_orm::prelude::*;
use uuid::Uuid;

use super::response::{self, Method, Payment, Status};
use crate::{
    paging::{self, Page, PerPage},
    problem::{Code, Location, Problem, Wrong},
    query_text::QueryText,
    reach,
};

/// Which payments are wanted.
pub(super) struct Filter {
    pub(super) node_id: Uuid,
    pub(super) wallet_id: Option<Uuid>,
    pub(super) network_id: Option<Uuid>,
    pub(super) status: Option<Status>,
    pub(super) payment_method: Option<Method>,
    pub(super) external_id: Option<QueryText>,
    pub(super) created_from: Option<DateTime<Utc>>,
    pub(super) created_to: Option<DateTime<Utc>>,
    pub(super) cursor: Option<QueryText>,
}

/// A page of payments.
#[derive(Object)]
pub(crate) struct PaymentPage {
    /// Newest first.
    items: Vec<Payment>,
    /// The number of this page; the first is 1.
    page: u32,
    /// How many items a page has at most.
    per_page: u32,
    /// How many payments there are in all; counting stops at 10,000, which means that many or more.
    total: u64,
    /// Continues after this page; null on the last.
    next_cursor: Option<String>,
}

/// Reads a page.
pub(super) async fn read(
    db: &Database,
    caller: &Caller,
    filter: Filter,
    page: Page,
    per_page: PerPage,
) -> Result<PaymentPage, Problem> {
    let invalid = || Problem::new(Code::ValidationFailed).wrong("/cursor", Location::Query, Wrong::NotACursor);
    let after = filter.cursor.as_ref().map(|cursor| paging::after_cursor(&cursor.0).ok_or_else(invalid)).transpose()?;
    let node = reach::node(&**db, caller, filter.node_id).await?;
    let payments = filter.select(&node.path);
    // One more than a page tells whether there is a next.
    let size = u64::from(per_page.0);
    let total = payments.count(&**db, paging::COUNT_MAX).await?;
    let mut found = match after {
        Some(id) => payments.filter(payment::Column::Id.lt(PaymentId(id))).page(&**db, 0, size + 1).await?,
        None => match paging::passed_over(page, per_page, total)? {
            Some(offset) => payments.page(&**db, offset, size + 1).await?,
            None => Vec::new(),
        },
    };
    let more = found.len() > per_page.0 as usize;
    found.truncate(per_page.0 as usize);
    let next_cursor = found.last().filter(|_| more).map(|last| paging::cursor_after(last.id.0));
    let members = response::members(&**db, &found).await?;
    let items = found.into_iter().map(|payment| {
        let member = payment.member_id.and_then(|id| members.get(&id).cloned());
        Payment::new(payment, member)
    });
    Ok(PaymentPage { items: items.collect(), page: page.0, per_page: per_page.0, total, next_cursor })
}

impl Filter {
    fn select(self, path: &str) -> Listing<payment::Entity> {
        let wanted = PaymentFilter {
            wallet_id: self.wallet_id.map(WalletId),
            network_id: self.network_id.map(NetworkId),
            status: self.status.map(PaymentStatus::from),
            payment_method: self.payment_method.map(PaymentMethod::from),
            external_id: self.external_id.map(|external_id| external_id.0),
            created_from: self.created_from,
            created_to: self.created_to,
        };
        wanted.of_subtree(path)
    }
}
