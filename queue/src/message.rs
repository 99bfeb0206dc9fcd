//! What travels: a typed payload becomes a [`NewMessage`], the outbox row and the broker's message are a [`Message`].

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::subject::Subject;

/// The queue column of a message that is an event: it goes to the topic exchange, its kind is the routing key, and
/// nobody needs to be listening.
pub(crate) const EVENTS: &str = "events";

/// The body of one kind of message. It carries ids, not state: its job loads the truth.
pub trait Payload: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Wire name, the same verb phrase as the job's file and type, for example `open_deal`.
    const TYPE: &'static str;
    /// Queue name with its version, for example `open_deal.v1`; a change of queue arguments needs a new version.
    const QUEUE: &'static str;
    /// What happens after a job answers with a retry.
    const RETRY: RetryPolicy = RetryPolicy::STANDARD;
    /// Deliveries that one consumer may hold unacknowledged.
    const PREFETCH: u16 = 50;
    /// Deliveries that the job takes at once; 1 where batching does not pay.
    const BATCH: usize = 1;
    /// After this long an attempt is given up and counted as a failure. A job takes seconds: it never waits for
    /// confirmations or a backoff while it holds a delivery.
    const TIMEOUT: Duration = Duration::from_secs(60);

    /// What it is about. There is no default: a payload that leads to nobody has to say so itself.
    fn subject(&self) -> Subject;
}

/// Exponential backoff with full jitter, counted by us and not by the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included, before the message becomes a dead letter.
    pub attempts_max: u32,
    /// Upper bound of the first delay.
    pub first_delay: Duration,
    /// Upper bound of any delay.
    pub delay_max: Duration,
}

impl RetryPolicy {
    /// Twelve attempts over about a quarter of an hour on average: outlives a restart of everything around.
    pub const STANDARD: Self =
        Self { attempts_max: 12, first_delay: Duration::from_millis(500), delay_max: Duration::from_secs(300) };
}

/// A message that is not yet in the outbox.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub(crate) queue: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) payload: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// Set when this message continues an earlier one (a retry, a replay); `None` starts a new identity.
    pub(crate) continues: Option<Continues>,
}

/// What a retry or a replay takes over from the message it continues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Continues {
    pub(crate) row_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) attempts: u32,
}

impl NewMessage {
    /// A message due at once, with headers that name its payload's subject.
    ///
    /// # Panics
    /// Never for payloads of ids and plain values; a payload whose keys are not strings cannot become JSON.
    #[must_use]
    pub fn of<P: Payload>(payload: &P) -> Self {
        Self { headers: payload.subject().headers(), ..Self::with(P::QUEUE, P::TYPE, payload) }
    }

    /// An event for those who have bound a queue to the topic exchange: `kind` (for example `payment.paid`) is the
    /// routing key, `id` the message's identity, the same however often the event is published, and `body` its JSON
    /// text. Without a listener, and always on the embedded broker, it is dropped.
    #[must_use]
    pub fn event(kind: impl Into<Cow<'static, str>>, id: Uuid, body: String) -> Self {
        Self {
            queue: EVENTS.into(),
            kind: kind.into(),
            payload: body,
            headers: BTreeMap::new(),
            due_at: None,
            continues: Some(Continues { row_id: Uuid::now_v7(), message_id: id, attempts: 0 }),
        }
    }

    #[expect(clippy::expect_used, reason = "payloads are plain structs; a failure is a programming error")]
    fn with(queue: &'static str, kind: &'static str, payload: &impl Serialize) -> Self {
        Self {
            queue: queue.into(),
            kind: kind.into(),
            payload: serde_json::to_string(payload).expect("payload serialises to JSON"),
            headers: BTreeMap::new(),
            due_at: None,
            continues: None,
        }
    }

    /// Not before this time; messages that are due earlier are not delayed by it.
    #[must_use]
    pub fn due_at(mut self, at: DateTime<Utc>) -> Self {
        self.due_at = Some(at);
        self
    }

    /// A header that travels with the message, for example `request_id` or `payment_id`.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }
}

/// A message as it is stored in the outbox and carried by a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The outbox row: another one for each retry and replay, the same for every publication of that row.
    pub id: Uuid,
    /// The message's identity, which retries and replays keep: what an inbox and the logs go by.
    pub message_id: Uuid,
    /// Queue name with its version.
    pub queue: String,
    /// Wire name of the payload.
    pub kind: String,
    /// JSON text.
    pub payload: String,
    /// Context that travels along: `request_id`, `payment_id`, `node_id`, trace context.
    pub headers: BTreeMap<String, String>,
    /// Attempts already spent.
    pub attempts: u32,
    /// How often a sweeper took the row because nobody had finished with it.
    pub claims: u32,
}
