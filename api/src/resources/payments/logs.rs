//! A payment's log.

use entities::{ActorType, PaymentId, payment_log};
use poem_openapi::{Enum, Object, types::Any};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    paging::{self, Page, Paged, PerPage},
    problem::Problem,
};

use crate::time::Time;

/// Who did it.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "ActorType", rename_all = "snake_case", remote = "ActorType")]
pub(crate) enum Actor {
    Integration,
    User,
    Worker,
    Chain,
    Gateway,
    Operator,
    System,
    Payer,
}

/// One thing that happened to a payment.
#[derive(Clone, Debug, Object)]
pub(crate) struct LogEntry {
    id: Uuid,
    /// Such as `payment.open` for a transition or `attempt.signed` for a trace.
    event_type: String,
    /// A sentence for people.
    message: String,
    actor_type: Actor,
    /// The integration's or user's id, the job's name, the chain's number; null for the system itself.
    actor_id: Option<String>,
    /// The details, for programs.
    data: Any<Value>,
    created_at: Time,
}

impl From<payment_log::Model> for LogEntry {
    fn from(log: payment_log::Model) -> Self {
        Self {
            id: log.id.0,
            event_type: log.event_type,
            message: log.message,
            actor_type: log.actor_type.into(),
            actor_id: log.actor_id,
            data: Any(log.data),
            created_at: log.created_at.into(),
        }
    }
}

pub(super) async fn read(db: &Database, id: Uuid, page: Page, per_page: PerPage) -> Result<Paged<LogEntry>, Problem> {
    let logs = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(PaymentId(id)))
        .order_by_desc(payment_log::Column::Id);
    paging::read(db, logs, page, per_page, LogEntry::from).await
}
