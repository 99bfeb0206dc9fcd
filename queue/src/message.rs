//! What travels: a typed payload becomes a [`NewMessage`], the outbox row and the broker's message are a [`Message`].

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// The body of one kind of message. It carries ids, not state: whoever handles it loads the truth.
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
    /// Twelve attempts over about half an hour: outlives a restart of everything around.
    pub const STANDARD: Self =
        Self { attempts_max: 12, first_delay: Duration::from_millis(500), delay_max: Duration::from_secs(300) };
}

/// A message that is not yet in the outbox.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub(crate) queue: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) payload: serde_json::Value,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) due_at: Option<DateTime<Utc>>,
}

impl NewMessage {
    /// A message due at once.
    ///
    /// # Panics
    /// Never for payloads of ids and plain values; a payload whose keys are not strings cannot become JSON.
    #[expect(clippy::expect_used, reason = "payloads are plain structs; a failure is a programming error")]
    pub fn of<P: Payload>(payload: &P) -> Self {
        let payload = serde_json::to_value(payload).expect("payload serialises to JSON");
        Self { queue: P::QUEUE, kind: P::TYPE, payload, headers: BTreeMap::new(), due_at: None }
    }

    /// Not before this time; earlier due messages are not delayed by it.
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
pub struct Message {
    /// UUID v7; the same for every publication of this message, so that a repetition can be recognised.
    pub id: Uuid,
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
}
