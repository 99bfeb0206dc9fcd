//! A dead letter as operators see it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Model, edit::Change};
use crate::subject::Subject;

/// What has become of a dead letter.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum LetterState {
    /// Nobody has done anything about it.
    #[sea_orm(string_value = "dead")]
    Dead,
    /// A run has it and will replay it.
    #[sea_orm(string_value = "claimed")]
    Claimed,
    /// Its message is on its way again.
    #[sea_orm(string_value = "replayed")]
    Replayed,
    /// The job of its replay has ended well.
    #[sea_orm(string_value = "resolved")]
    Resolved,
    /// Its replay died; that is a letter of its own.
    #[sea_orm(string_value = "dead_again")]
    DeadAgain,
    /// Somebody decided that nothing is to be done about it; can be restored.
    #[sea_orm(string_value = "discarded")]
    Discarded,
    /// An edited letter has taken its place.
    #[sea_orm(string_value = "replaced")]
    Replaced,
}

impl LetterState {
    pub const ALL: [Self; 7] =
        [Self::Dead, Self::Claimed, Self::Replayed, Self::Resolved, Self::DeadAgain, Self::Discarded, Self::Replaced];

    /// The word for it in the table, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Claimed => "claimed",
            Self::Replayed => "replayed",
            Self::Resolved => "resolved",
            Self::DeadAgain => "dead_again",
            Self::Discarded => "discarded",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for LetterState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// No state has this name.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no state of a dead letter; these are: dead, claimed, replayed, resolved, dead_again, discarded, replaced"
)]
pub struct UnknownState(String);

impl FromStr for LetterState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// A dead letter as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Version 7: ordered by the time of arrival.
    pub id: Uuid,
    /// Identity of the message, the same through retries and replays.
    pub message_id: Uuid,
    pub queue: String,
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
    /// The row that its job works on.
    pub subject_id: Option<Uuid>,
    pub payment_id: Option<Uuid>,
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
    pub state: LetterState,
    /// Since when it is in this state.
    pub state_at: DateTime<Utc>,
    /// Who brought it into this state, where somebody did.
    pub state_by: Option<String>,
    /// Why it is in this state, in the words of the operator who decided it; also why a run skipped it.
    pub state_reason: Option<String>,
    /// The run that has claimed or skipped it.
    pub redrive_id: Option<Uuid>,
    /// The letter that this one is an edited copy of.
    pub edited_from: Option<Uuid>,
    /// The edited letter that has taken this one's place.
    pub replaced_by: Option<Uuid>,
    /// What was changed in the body of the letter that this one was edited from.
    pub changes: Vec<Change>,
}

impl DeadLetter {
    #[must_use]
    pub fn subject(&self) -> Subject {
        let subject = self.subject_id.map_or_else(Subject::default, Subject::row);
        subject.of_payment(self.payment_id).of_node(self.node_id)
    }
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
            subject_id: row.subject_id,
            payment_id: row.payment_id,
            node_id: row.node_id,
            first_at: row.first_at,
            last_at: row.last_at,
            replay_of: row.replay_of,
            replay_no: row.replay_no.unsigned_abs(),
            replayed_at: row.replayed_at,
            replayed_as: row.replayed_as,
            state: row.state,
            state_at: row.state_at.unwrap_or(row.last_at),
            state_by: row.state_by,
            state_reason: row.state_reason,
            redrive_id: row.redrive_id,
            edited_from: row.edited_from,
            replaced_by: row.replaced_by,
            changes: row.changes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        }
    }
}
