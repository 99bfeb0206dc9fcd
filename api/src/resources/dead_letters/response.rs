//! Dead letters as operators see them.

use std::collections::BTreeMap;

use payments::jobs;
use poem_openapi::{Enum, Object};
use queue::{
    Foresight, Outlook as JobOutlook,
    dead_letters::{self, Change as EditChange},
};
use serde_json::Value;
use uuid::Uuid;

use super::filter::{LetterOrigin, LetterState};

use crate::time::Time;

/// A message that nobody will try again by itself.
#[derive(Clone, Debug, Object)]
pub(crate) struct DeadLetter {
    id: Uuid,
    /// Identity of the message, the same through retries and replays.
    message_id: Uuid,
    /// Queue that the message was for.
    queue: String,
    /// What kind of message it is.
    kind: String,
    origin: LetterOrigin,
    state: LetterState,
    /// Since when it is in this state.
    state_at: Time,
    /// Who brought it into this state, such as `user:…` or `integration:…`; null where it came to it by itself.
    state_by: Option<String>,
    /// Why, as told by whoever brought it there; also why a redrive run skipped it.
    state_reason: Option<String>,
    /// Of a discarded letter: what does not go on because of that, and what goes on by itself.
    consequence: Option<String>,
    /// Attempts that its job made.
    attempts: u32,
    /// Short and stable, such as `retries_exhausted`, `undecodable`, `delivery_limit`.
    error_code: String,
    /// The last error in full.
    error_message: String,
    /// The same for letters of one queue that died of the same cause.
    fingerprint: String,
    payment_id: Option<Uuid>,
    node_id: Option<Uuid>,
    /// When the message was first enqueued.
    first_at: Time,
    /// When it died.
    last_at: Time,
    /// The dead letter whose replay this message was.
    replay_of: Option<Uuid>,
    /// How many replays led here.
    replay_no: u32,
    /// When it was replayed.
    replayed_at: Option<Time>,
    /// The redrive run that has claimed or skipped it.
    redrive_id: Option<Uuid>,
    /// The letter that this one is an edited copy of.
    edited_from: Option<Uuid>,
    /// The edited letter that has taken this one's place.
    replaced_by: Option<Uuid>,
    /// The message's body as it was; in lists only with `bodies=true`, otherwise null.
    body: Option<String>,
    /// `text`, or `hex` where the body is no text.
    body_encoding: String,
    /// Context that travelled with the message, such as `request_id`; in lists only with `bodies=true`, otherwise null.
    headers: Option<BTreeMap<String, String>>,
}

impl DeadLetter {
    pub(crate) fn new(letter: dead_letters::DeadLetter, with_body: bool) -> Self {
        let consequence = match letter.state {
            dead_letters::LetterState::Discarded => jobs::once_discarded(&letter.kind).map(str::to_owned),
            _ => None,
        };
        Self {
            id: letter.id,
            message_id: letter.message_id,
            queue: letter.queue,
            kind: letter.kind,
            origin: if letter.origin == "broker" { LetterOrigin::Broker } else { LetterOrigin::Job },
            state: letter.state.into(),
            state_at: letter.state_at.into(),
            state_by: letter.state_by,
            state_reason: letter.state_reason,
            consequence,
            attempts: letter.attempts,
            error_code: letter.error_code,
            error_message: letter.error_message,
            fingerprint: letter.fingerprint,
            payment_id: letter.payment_id,
            node_id: letter.node_id,
            first_at: letter.first_at.into(),
            last_at: letter.last_at.into(),
            replay_of: letter.replay_of,
            replay_no: letter.replay_no,
            replayed_at: letter.replayed_at.map(Time),
            redrive_id: letter.redrive_id,
            edited_from: letter.edited_from,
            replaced_by: letter.replaced_by,
            body: with_body.then_some(letter.body),
            body_encoding: letter.body_encoding,
            headers: with_body.then_some(letter.headers),
        }
    }
}

/// A page of dead letters.
#[derive(Clone, Debug, Object)]
pub(crate) struct LetterPage {
    /// Newest first.
    items: Vec<DeadLetter>,
    /// Continues after this page; null on the last. Where a text is looked for, a page may be short, or empty, and not be
    /// the last.
    next_cursor: Option<String>,
}

impl LetterPage {
    pub(crate) fn new(found: dead_letters::LetterPage, bodies: bool) -> Self {
        let items = found.letters.into_iter().map(|letter| DeadLetter::new(letter, bodies)).collect();
        Self { items, next_cursor: found.next.map(crate::paging::cursor_after) }
    }
}

/// Dead letters of one cause.
#[derive(Clone, Debug, Object)]
#[oai(rename = "DeadLetterGroup")]
pub(crate) struct Group {
    /// What they have in common; a filter takes it.
    fingerprint: String,
    /// How many there are.
    letters: u64,
    queue: String,
    kind: String,
    error_code: String,
    /// The newest one's error message.
    sample_message: String,
    /// The newest one.
    sample_id: Uuid,
    /// When the first of them died.
    first_at: Time,
    /// When the last of them died.
    last_at: Time,
}

/// Dead letters by their causes.
#[derive(Clone, Debug, Object)]
#[oai(rename = "DeadLetterGroups")]
pub(crate) struct Groups {
    /// The largest first, 200 at most.
    items: Vec<Group>,
    /// Letters that were looked at, the newest first, 200,000 at most; where a text is looked for, those among the newest
    /// 20,000 that have it.
    letters: u64,
    /// Whether that is all there are, and all groups are here.
    complete: bool,
}

impl From<dead_letters::Groups> for Groups {
    fn from(groups: dead_letters::Groups) -> Self {
        let items = groups.groups.into_iter().map(|group| Group {
            fingerprint: group.fingerprint,
            letters: group.letters,
            queue: group.queue,
            kind: group.kind,
            error_code: group.error_code,
            sample_message: group.sample_message,
            sample_id: group.sample_id,
            first_at: group.first_at.into(),
            last_at: group.last_at.into(),
        });
        Self { items: items.collect(), letters: groups.letters, complete: groups.complete }
    }
}

/// What replaying a letter would come to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case", remote = "JobOutlook")]
pub(crate) enum Outlook {
    /// Nothing is left to do: its guard would let the message pass without an effect.
    AlreadyDone,
    /// It would go on with what was left.
    WouldResume,
    /// It would end the same way.
    WouldFailAgain,
    /// Its job does not say.
    Unknown,
}

/// A place in a body where an edit changed something.
#[derive(Clone, Debug, Object)]
#[oai(rename = "DeadLetterChange")]
pub(crate) struct Change {
    /// JSON pointer; empty for the whole body.
    pointer: String,
    /// What stood there; null: nothing.
    before: Option<Value>,
    /// What stands there now; null: nothing.
    after: Option<Value>,
}

impl From<EditChange> for Change {
    fn from(change: EditChange) -> Self {
        Self { pointer: change.pointer, before: change.before, after: change.after }
    }
}

/// A dead letter with all that helps to decide about it.
#[derive(Clone, Debug, Object)]
pub(crate) struct DeadLetterDetails {
    letter: DeadLetter,
    /// What replaying it would do now, as its job judges from the state.
    outlook: Outlook,
    /// Why.
    outlook_reason: String,
    /// Every death of the same message, newest first, 100 at most: this one, and those of its replays or of what it is a
    /// replay of.
    deaths: Vec<DeadLetter>,
    /// What an edit changed against the letter that this one was edited from.
    changes: Vec<Change>,
}

impl DeadLetterDetails {
    pub(crate) fn new(
        letter: dead_letters::DeadLetter,
        foresight: Foresight,
        deaths: Vec<dead_letters::DeadLetter>,
    ) -> Self {
        let changes = letter.changes.iter().cloned().map(Change::from).collect();
        Self {
            letter: DeadLetter::new(letter, true),
            outlook: foresight.outlook.into(),
            outlook_reason: foresight.reason.into_owned(),
            deaths: deaths.into_iter().map(|death| DeadLetter::new(death, false)).collect(),
            changes,
        }
    }
}

/// What an edit led to.
#[derive(Clone, Debug, Object)]
pub(crate) struct EditedLetter {
    /// The letter that has taken the old one's place; it is `dead` and can be redriven.
    id: Uuid,
    /// Its message's identity: another message than the old letter's.
    message_id: Uuid,
    /// What was changed.
    changes: Vec<Change>,
}

impl From<dead_letters::Edited> for EditedLetter {
    fn from(edited: dead_letters::Edited) -> Self {
        let changes = edited.changes.into_iter().map(Change::from).collect();
        Self { id: edited.id, message_id: edited.message_id, changes }
    }
}
