//! The dead letters: messages that nobody will try again by themselves, with what is needed to understand and replay
//! them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, entity::prelude::*, sea_query::OnConflict};
use serde::Serialize;
use uuid::Uuid;

use crate::outbox::headers_text;

mod dead_message;
mod listing;
mod replay;

pub use dead_message::{DeadMessage, Origin};
pub use listing::{Filter, Page, list, show};
pub use replay::{ReplayError, replay};

/// Header that a replay carries: the id of the dead letter that it replays.
pub(crate) const REPLAY_OF: &str = "replay_of";
/// Header that a replay carries: how many replays of the message there have been, this one included.
pub(crate) const REPLAY_NO: &str = "replay_no";

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) outbox_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) queue: String,
    pub(crate) kind: String,
    pub(crate) origin: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) body: String,
    pub(crate) body_encoding: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) headers: String,
    pub(crate) attempts: i32,
    pub(crate) error_code: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) error_message: String,
    pub(crate) fingerprint: String,
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) node_id: Option<Uuid>,
    pub(crate) first_at: DateTime<Utc>,
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) replay_of: Option<Uuid>,
    pub(crate) replay_no: i32,
    pub(crate) replayed_at: Option<DateTime<Utc>>,
    pub(crate) replayed_as: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}

/// A dead letter as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Version 7: ordered by the time of arrival.
    pub id: Uuid,
    /// Identity of the message, the same through retries and replays.
    pub message_id: Uuid,
    /// Queue that the message was for.
    pub queue: String,
    /// Wire name of its payload.
    pub kind: String,
    /// `job`: given up by its job. `broker`: never reached an end in a job.
    pub origin: String,
    /// The payload as it was; hexadecimal where it is not text.
    pub body: String,
    /// `text` or `hex`.
    pub body_encoding: String,
    /// Context that travelled along.
    pub headers: BTreeMap<String, String>,
    /// Attempts that its jobs made.
    pub attempts: u32,
    /// Short and stable, for example `retries_exhausted`.
    pub error_code: String,
    /// The last error in full.
    pub error_message: String,
    /// The same for letters of one queue that died of the same cause, whatever ids the error message contains.
    pub fingerprint: String,
    /// The payment concerned, from the headers.
    pub payment_id: Option<Uuid>,
    /// The node concerned, from the headers.
    pub node_id: Option<Uuid>,
    /// When the message was first enqueued.
    pub first_at: DateTime<Utc>,
    /// When it died (last, if that was reported more than once).
    pub last_at: DateTime<Utc>,
    /// The dead letter whose replay this message was.
    pub replay_of: Option<Uuid>,
    /// How many replays led here.
    pub replay_no: u32,
    /// When it was replayed; a letter is replayed once, and a replay that dies is a letter of its own.
    pub replayed_at: Option<DateTime<Utc>>,
    /// The outbox row that the replay wrote.
    pub replayed_as: Option<Uuid>,
}

impl From<Model> for DeadLetter {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            message_id: row.message_id,
            queue: row.queue,
            kind: row.kind,
            origin: row.origin,
            body: row.body,
            body_encoding: row.body_encoding,
            headers: serde_json::from_str(&row.headers).unwrap_or_default(),
            attempts: row.attempts.unsigned_abs(),
            error_code: row.error_code,
            error_message: row.error_message,
            fingerprint: row.fingerprint,
            payment_id: row.payment_id,
            node_id: row.node_id,
            first_at: row.first_at,
            last_at: row.last_at,
            replay_of: row.replay_of,
            replay_no: row.replay_no.unsigned_abs(),
            replayed_at: row.replayed_at,
            replayed_as: row.replayed_as,
        }
    }
}

/// Rows per statement; bodies are small, see `outbox` for why statements are kept short.
const ROWS: usize = 50;

/// Writes dead letters. One that is there already, because its acknowledgement got lost, only has its time renewed.
pub(crate) async fn record<C: ConnectionTrait>(connection: &C, dead: Vec<DeadMessage>) -> Result<(), DbErr> {
    let mut rows: Vec<ActiveModel> = Vec::with_capacity(dead.len());
    for message in dead {
        // One statement cannot meet the same row twice.
        if !rows.iter().any(|row| row.outbox_id.as_ref() == &message.outbox_id) {
            metrics::counter!("quittance_dead_letters_total", "queue" => message.queue.clone(),
                "origin" => message.origin.as_str())
            .increment(1);
            rows.push(row_of(message));
        }
    }
    for rows in rows.chunks(ROWS) {
        let seen_again = OnConflict::column(Column::OutboxId).update_column(Column::LastAt).to_owned();
        Entity::insert_many(rows.to_vec()).on_conflict(seen_again).exec_without_returning(connection).await?;
    }
    Ok(())
}

fn row_of(dead: DeadMessage) -> ActiveModel {
    let now = Utc::now();
    let fingerprint = dead.fingerprint();
    let id_in = |header: &str| dead.headers.get(header).and_then(|value| Uuid::parse_str(value).ok());
    let (payment_id, node_id, replay_of) = (id_in("payment_id"), id_in("node_id"), id_in(REPLAY_OF));
    let replay_no = dead.headers.get(REPLAY_NO).and_then(|number| number.parse().ok()).unwrap_or(0);
    let first_at = dead.first_at().unwrap_or(now);
    let (body, body_encoding) = dead_message::body_text(dead.body);
    ActiveModel {
        id: Set(Uuid::now_v7()),
        outbox_id: Set(dead.outbox_id),
        message_id: Set(dead.message_id),
        queue: Set(dead.queue),
        kind: Set(dead.kind),
        origin: Set(dead.origin.as_str().to_owned()),
        body: Set(body),
        body_encoding: Set(body_encoding.to_owned()),
        headers: Set(headers_text(&dead.headers)),
        attempts: Set(i32::try_from(dead.attempts).unwrap_or(i32::MAX)),
        error_code: Set(dead.error_code),
        error_message: Set(dead.error_message),
        fingerprint: Set(fingerprint),
        payment_id: Set(payment_id),
        node_id: Set(node_id),
        first_at: Set(first_at),
        last_at: Set(now),
        replay_of: Set(replay_of),
        replay_no: Set(replay_no),
        replayed_at: Set(None),
        replayed_as: Set(None),
    }
}
