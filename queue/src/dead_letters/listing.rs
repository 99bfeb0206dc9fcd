//! Looking at dead letters.

use chrono::{DateTime, Utc};
use sea_orm::{Condition, DbErr, QueryOrder, QuerySelect, Select, entity::prelude::*, sea_query::LikeExpr};
use uuid::Uuid;

use super::{Column, DeadLetter, Entity, Origin};
use crate::database::Database;

/// Most letters that one page holds.
const PAGE_MAX: u64 = 500;

/// Which dead letters; every part that is given narrows the choice.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// For this queue.
    pub queue: Option<String>,
    /// With this kind of payload.
    pub kind: Option<String>,
    /// Dead this way.
    pub origin: Option<Origin>,
    /// With this error code.
    pub error_code: Option<String>,
    /// Of this cause.
    pub fingerprint: Option<String>,
    /// Of this message, its replays included.
    pub message_id: Option<Uuid>,
    /// About this payment.
    pub payment_id: Option<Uuid>,
    /// About this node.
    pub node_id: Option<Uuid>,
    /// With this text in the error message or the body.
    pub text: Option<String>,
    /// Replayed already, or not yet.
    pub replayed: Option<bool>,
    /// Dead since.
    pub since: Option<DateTime<Utc>>,
    /// Dead before.
    pub before: Option<DateTime<Utc>>,
}

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

/// Dead letters, newest first. A page shorter than its limit is the last.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(db: &Database, filter: &Filter, page: Page) -> Result<Vec<DeadLetter>, DbErr> {
    let mut letters = filter.narrow(Entity::find()).order_by_desc(Column::Id).limit(page.limit.min(PAGE_MAX));
    if let Some(after) = page.after {
        letters = letters.filter(Column::Id.lt(after));
    }
    Ok(letters.all(&**db).await?.into_iter().map(DeadLetter::from).collect())
}

/// One dead letter.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(db: &Database, id: Uuid) -> Result<Option<DeadLetter>, DbErr> {
    Ok(Entity::find_by_id(id).one(&**db).await?.map(DeadLetter::from))
}

impl Filter {
    fn narrow(&self, letters: Select<Entity>) -> Select<Entity> {
        let replayed = self.replayed.map(|replayed| match replayed {
            true => Column::ReplayedAt.is_not_null(),
            false => Column::ReplayedAt.is_null(),
        });
        let text = self.text.as_ref().map(|text| {
            let holds = LikeExpr::new(format!("%{}%", literal(text))).escape('\\');
            Condition::any().add(Column::ErrorMessage.like(holds.clone())).add(Column::Body.like(holds))
        });
        let all = Condition::all()
            .add_option(self.queue.as_ref().map(|queue| Column::Queue.eq(queue)))
            .add_option(self.kind.as_ref().map(|kind| Column::Kind.eq(kind)))
            .add_option(self.origin.map(|origin| Column::Origin.eq(origin.as_str())))
            .add_option(self.error_code.as_ref().map(|code| Column::ErrorCode.eq(code)))
            .add_option(self.fingerprint.as_ref().map(|cause| Column::Fingerprint.eq(cause)))
            .add_option(self.message_id.map(|id| Column::MessageId.eq(id)))
            .add_option(self.payment_id.map(|id| Column::PaymentId.eq(id)))
            .add_option(self.node_id.map(|id| Column::NodeId.eq(id)))
            .add_option(self.since.map(|since| Column::LastAt.gte(since)))
            .add_option(self.before.map(|before| Column::LastAt.lt(before)))
            .add_option(replayed)
            .add_option(text);
        letters.filter(all)
    }
}

/// What is looked for is text, not a pattern.
fn literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
