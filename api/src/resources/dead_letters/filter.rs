//! Which dead letters are meant, and which of them the caller may see.

use entities::node;
use payments::{Caller, reach};
use poem_openapi::{Enum, Object};
use queue::dead_letters::{Filter, LetterState as FilterState, Origin as FilterOrigin};
use sea_orm::{EntityTrait, QueryFilter, QuerySelect, QueryTrait, prelude::*};
use uuid::Uuid;

use crate::problem::Problem;
use crate::time::Time;

/// What has become of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "DeadLetterState", rename_all = "snake_case", remote = "FilterState")]
pub(crate) enum LetterState {
    /// Nobody has done anything about it.
    Dead,
    /// A redrive run has it and will replay it.
    Claimed,
    /// Its message is on its way again; the outcome is not known yet.
    Replayed,
    /// The job of its replay has ended well.
    Resolved,
    /// Its replay died; that is a letter of its own.
    DeadAgain,
    /// Somebody decided that nothing is to be done about it; it can be restored.
    Discarded,
    /// An edited letter has taken its place.
    Replaced,
}

/// Which way a message died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "DeadLetterOrigin", rename_all = "snake_case", remote = "FilterOrigin")]
pub(crate) enum LetterOrigin {
    /// Its job gave it up, or could not read it.
    Job,
    /// The broker took it away from jobs that never came to an end with it.
    Broker,
}

/// Which dead letters. Every part that is given narrows the choice; without any part it is all that the caller reaches.
#[derive(Clone, Debug, Default, Object)]
#[oai(rename = "DeadLetterFilter")]
pub(crate) struct LetterFilter {
    /// For this queue, such as `open_deal.v1`.
    #[oai(validator(max_length = 255), skip_serializing_if_is_none)]
    pub(crate) queue: Option<String>,
    /// With this kind of message, such as `open_deal`.
    #[oai(validator(max_length = 255), skip_serializing_if_is_none)]
    pub(crate) kind: Option<String>,
    /// Dead this way.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) origin: Option<LetterOrigin>,
    /// With this error code, such as `retries_exhausted`.
    #[oai(validator(max_length = 255), skip_serializing_if_is_none)]
    pub(crate) error_code: Option<String>,
    /// Of this cause: the fingerprint of a group.
    #[oai(validator(max_length = 255), skip_serializing_if_is_none)]
    pub(crate) fingerprint: Option<String>,
    /// Of this message, its replays included.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) message_id: Option<Uuid>,
    /// About this payment.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) payment_id: Option<Uuid>,
    /// About exactly this node.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) node_id: Option<Uuid>,
    /// With this text, in this case, in the error message or the body. 20,000 letters are searched at a time.
    #[oai(validator(min_length = 1, max_length = 255), skip_serializing_if_is_none)]
    pub(crate) text: Option<String>,
    /// Dead since this time, inclusive.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) since: Option<Time>,
    /// Dead before this time, exclusive.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) before: Option<Time>,
    /// In this state. Redrives take only what is `dead`, whatever stands here.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) state: Option<LetterState>,
    /// Claimed or skipped by this redrive run.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) redrive_id: Option<Uuid>,
}

impl LetterFilter {
    /// The same within the caller's reach.
    pub(crate) async fn within(self, db: &impl ConnectionTrait, caller: &Caller) -> Result<Filter, DbErr> {
        Ok(Filter {
            queue: self.queue,
            kind: self.kind,
            origin: self.origin.map(Into::into),
            error_code: self.error_code,
            fingerprint: self.fingerprint,
            message_id: self.message_id,
            payment_id: self.payment_id,
            node_id: self.node_id,
            text: self.text,
            since: self.since.map(|time| *time),
            before: self.before.map(|time| *time),
            state: self.state.map(Into::into),
            redrive_id: self.redrive_id,
            nodes: reached(db, caller).await?,
            ..Filter::default()
        })
    }
}

impl From<Filter> for LetterFilter {
    fn from(filter: Filter) -> Self {
        Self {
            queue: filter.queue,
            kind: filter.kind,
            origin: filter.origin.map(Into::into),
            error_code: filter.error_code,
            fingerprint: filter.fingerprint,
            message_id: filter.message_id,
            payment_id: filter.payment_id,
            node_id: filter.node_id,
            text: filter.text,
            since: filter.since.map(Time),
            before: filter.before.map(Time),
            state: filter.state.map(Into::into),
            redrive_id: filter.redrive_id,
        }
    }
}

/// The nodes in reach; `None` for a caller who reaches every node there is, and with them what is about no node. Nodes
/// that were deleted count, too: their letters have to be dealt with by somebody.
pub(crate) async fn reached(db: &impl ConnectionTrait, caller: &Caller) -> Result<Option<Vec<Uuid>>, DbErr> {
    if caller.is_admin {
        return Ok(None);
    }
    let ids = node::Entity::find().select_only().column(node::Column::Id);
    let beyond = ids.clone().filter(reach::below(&caller.node_path).not()).limit(1);
    if db.query_one_raw(beyond.build(db.get_database_backend())).await?.is_none() {
        return Ok(None);
    }
    let nodes: Vec<entities::NodeId> = ids.filter(reach::below(&caller.node_path)).into_tuple().all(db).await?;
    Ok(Some(nodes.into_iter().map(|id| id.0).collect()))
}

/// Refuses what is about a node out of reach, or about none.
pub(crate) fn require(nodes: Option<&Vec<Uuid>>, about: Option<Uuid>) -> Result<(), Problem> {
    let reached = nodes.is_none_or(|nodes| about.is_some_and(|id| nodes.contains(&id)));
    if reached { Ok(()) } else { Err(Problem::out_of_reach()) }
}
