//! The dead letters: messages that nobody will try again by themselves, with what is needed to understand and replay
//! them.
//!
//! A letter is `dead` until somebody acts. A replay sends its message on its way once more and carries the letter's id;
//! when the job of the replay ends well, the runner marks the letter `resolved` before it acknowledges, and when the
//! replay dies, the transaction that writes the new letter marks the old one `dead_again`. A mark that gets lost with its
//! process is made by the redelivery of the unacknowledged message.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, entity::prelude::*, sea_query::OnConflict};
use uuid::Uuid;

use crate::{outbox::headers_text, subject::Subject};

mod acts;
pub(crate) mod dead_message;
mod died;
mod edit;
mod filter;
mod groups;
mod letter;
mod listing;
pub(crate) mod outcome;
pub(crate) mod replay;
mod set_aside;
mod tending;
mod waiting;

pub(crate) use acts::next_ids;
pub use acts::{Act, ActError, Chunk, discard, discard_chunk, restore, restore_chunk};
pub use dead_message::{DeadMessage, Origin};
pub use died::{Died, died_after};
pub use edit::{Change, Edited, edit};
pub use filter::Filter;
pub(crate) use filter::{Direction, is, of_run};
pub use groups::{Group, Groups, groups};
pub use letter::{DeadLetter, LetterState, UnknownState};
pub use listing::{LetterPage, Page, count, list, newest, search, show};
pub use replay::{ReplayError, replay};
pub use set_aside::set_aside;
pub use tending::{assign, due_for_review, record_foresight, unassigned};
pub use waiting::waiting;

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
    pub(crate) subject_id: Option<Uuid>,
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) node_id: Option<Uuid>,
    pub(crate) first_at: DateTime<Utc>,
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) replay_of: Option<Uuid>,
    pub(crate) replay_no: i32,
    pub(crate) replayed_at: Option<DateTime<Utc>>,
    pub(crate) replayed_as: Option<Uuid>,
    pub(crate) state: LetterState,
    pub(crate) state_at: Option<DateTime<Utc>>,
    pub(crate) state_by: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) state_reason: Option<String>,
    pub(crate) redrive_id: Option<Uuid>,
    pub(crate) replay_failures: i32,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) replay_error: Option<String>,
    pub(crate) tended_at: DateTime<Utc>,
    pub(crate) edited_from: Option<Uuid>,
    pub(crate) replaced_by: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) changes: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Rows per statement, far below either database's limit of bound values.
const ROWS: usize = 50;

/// Writes dead letters, and marks those whose replays they were. One that is there already, because its
/// acknowledgement got lost, only has its time renewed.
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
    let replays = rows.iter().filter_map(|row| *row.replay_of.as_ref()).collect();
    for rows in rows.chunks(ROWS) {
        let seen_again = OnConflict::column(Column::OutboxId).update_column(Column::LastAt).to_owned();
        Entity::insert_many(rows.to_vec()).on_conflict(seen_again).exec_without_returning(connection).await?;
    }
    outcome::mark(connection, replays, LetterState::DeadAgain).await
}

fn row_of(dead: DeadMessage) -> ActiveModel {
    let now = Utc::now();
    let fingerprint = dead.fingerprint();
    let id_in = |header: &str| dead.headers.get(header).and_then(|value| Uuid::parse_str(value).ok());
    let (subject, replay_of) = (Subject::in_headers(&dead.headers), id_in(REPLAY_OF));
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
        subject_id: Set(subject.id),
        payment_id: Set(subject.payment_id),
        node_id: Set(subject.node_id),
        first_at: Set(first_at),
        last_at: Set(now),
        replay_of: Set(replay_of),
        replay_no: Set(replay_no),
        replayed_at: Set(None),
        replayed_as: Set(None),
        state: Set(LetterState::Dead),
        state_at: Set(Some(now)),
        state_by: Set(None),
        state_reason: Set(None),
        redrive_id: Set(None),
        replay_failures: Set(0),
        replay_error: Set(None),
        tended_at: Set(DateTime::UNIX_EPOCH),
        edited_from: Set(None),
        replaced_by: Set(None),
        changes: Set(None),
    }
}
