//! The outbox table: a row is a message that nobody has finished with yet.
//!
//! A row is deleted, not marked, once its broker has confirmed it (embedded: once its job has acknowledged it): the
//! table stays as small as the backlog, and a sweep never wades through rows that are done. `due_at` is both schedule
//! and claim. A process that takes a row moves `due_at` five seconds into the future, and a row that is handed to this
//! process's relay at commit is born with that claim, so that other processes' sweepers leave it alone; if its holder
//! dies, the row simply comes due.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, entity::prelude::*};
use uuid::Uuid;

use crate::{
    database::{Database, insert_missing},
    message::{Message, NewMessage},
};

pub(crate) mod claim;
pub(crate) mod eraser;

/// How long a message that was just handed to a relay, or claimed by a sweeper, is left alone by other sweepers.
pub(crate) const CLAIM: Duration = Duration::from_secs(5);

/// Payload bytes of one statement. Over a TCP connection without `TCP_NODELAY` a statement waits some 40 ms for a
/// delayed acknowledgement from about 20 KiB on (measured on loopback); ours have the option, see
/// `database::prompt_tcp`, so this only bounds the buffers on both sides.
const STATEMENT_BYTES: usize = 256 * 1024;

/// Rows per statement, far below either database's limit of bound values.
const STATEMENT_ROWS: usize = 500;

/// What a row costs on the wire besides its payload and headers: ids, names, times and lengths.
const ROW_BYTES: usize = 160;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) queue: String,
    pub(crate) kind: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) payload: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) headers: String,
    pub(crate) due_at: DateTime<Utc>,
    pub(crate) attempts: i32,
    pub(crate) claims: i32,
    pub(crate) created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for Message {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            message_id: row.message_id,
            queue: row.queue,
            kind: row.kind,
            payload: row.payload,
            headers: serde_json::from_str(&row.headers).unwrap_or_default(),
            attempts: row.attempts.unsigned_abs(),
            claims: row.claims.unsigned_abs(),
        }
    }
}

pub(crate) struct Inserted {
    pub(crate) message: Message,
    pub(crate) due_now: bool,
}

/// Inserts all rows, in as few statements as is sensible. With `handed_over` the caller gives those due now to this
/// process's relay after the commit, so they become due for sweepers only after [`CLAIM`].
pub(crate) async fn insert<C: ConnectionTrait>(
    connection: &C,
    messages: Vec<NewMessage>,
    handed_over: bool,
) -> Result<Vec<Inserted>, DbErr> {
    let now = Utc::now();
    let mut inserted = Vec::with_capacity(messages.len());
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for new in messages {
        let due_now = new.due_at.is_none_or(|at| at <= now);
        let due_at = match new.due_at {
            Some(at) if !due_now => at,
            _ if handed_over => now + CLAIM,
            _ => now,
        };
        let message = message_of(new);
        let headers = headers_text(&message.headers);
        let row_bytes = ROW_BYTES + message.payload.len() + headers.len();
        if rows.len() >= STATEMENT_ROWS || bytes + row_bytes > STATEMENT_BYTES {
            insert_rows(connection, std::mem::take(&mut rows)).await?;
            bytes = 0;
        }
        bytes += row_bytes;
        rows.push(ActiveModel {
            id: Set(message.id),
            message_id: Set(message.message_id),
            queue: Set(message.queue.clone()),
            kind: Set(message.kind.clone()),
            payload: Set(message.payload.clone()),
            headers: Set(headers),
            due_at: Set(due_at),
            attempts: Set(i32::try_from(message.attempts).unwrap_or(i32::MAX)),
            claims: Set(0),
            created_at: Set(now),
        });
        inserted.push(Inserted { message, due_now });
    }
    insert_rows(connection, rows).await?;
    Ok(inserted)
}

/// A row that exists already is the same retry, written by an earlier delivery of the same message: one is enough.
async fn insert_rows<C: ConnectionTrait>(connection: &C, rows: Vec<ActiveModel>) -> Result<(), DbErr> {
    insert_missing(connection, rows, [Column::Id]).await.map(drop)
}

pub(crate) fn message_of(new: NewMessage) -> Message {
    let fresh = Uuid::now_v7();
    Message {
        id: new.continues.map_or(fresh, |earlier| earlier.row_id),
        message_id: new.continues.map_or(fresh, |earlier| earlier.message_id),
        queue: new.queue.into_owned(),
        kind: new.kind.into_owned(),
        payload: new.payload,
        headers: new.headers,
        attempts: new.continues.map_or(0, |earlier| earlier.attempts),
        claims: 0,
    }
}

pub(crate) fn headers_text(headers: &BTreeMap<String, String>) -> String {
    serde_json::to_string(headers).unwrap_or_else(|_| "{}".to_owned())
}

/// How much waits in the outbox: for one queue, or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Rows, those scheduled for later included. Counted up to [`Backlog::COUNTED`].
    pub rows: u64,
    /// When the row that has been due for longest came due.
    pub oldest_due_at: Option<DateTime<Utc>>,
}

impl Backlog {
    /// Where counting stops, so that a look at a long backlog does not add to its load.
    pub const COUNTED: u64 = 10_000;
}

/// How much waits in the outbox, to be published (RabbitMQ) or worked on (embedded).
pub async fn backlog(db: &Database) -> Result<Backlog, DbErr> {
    use sea_orm::{QueryOrder, QuerySelect};
    let rows = Entity::find().select_only().column(Column::Id).limit(Backlog::COUNTED).count(&**db).await?;
    let oldest = Entity::find().order_by_asc(Column::DueAt).one(&**db).await?;
    let oldest_due_at = oldest.map(|row| row.due_at).filter(|at| *at <= Utc::now());
    Ok(Backlog { rows, oldest_due_at })
}
