//! A message on its way into the table of dead letters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::message::Message;

/// Longest error message that is kept, characters.
const ERROR_CHARS: usize = 8_000;

/// Which way a message died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Its job gave it up, or could not read it.
    Job,
    /// The broker took it away from jobs that never came to an end with it.
    Broker,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Broker => "broker",
        }
    }
}

/// A message that will not be tried again, and why.
#[derive(Clone, Debug)]
pub struct DeadMessage {
    pub(crate) outbox_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) queue: String,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) attempts: u32,
    pub(crate) origin: Origin,
    pub(crate) error_code: String,
    pub(crate) error_message: String,
}

impl DeadMessage {
    /// Given up by its job.
    pub(crate) fn job(message: Message, attempts: u32, code: &str, error: &str) -> Self {
        Self { attempts, origin: Origin::Job, ..Self::broker(message, code, error) }
    }

    /// Taken out of circulation by the broker.
    pub(crate) fn broker(message: Message, code: &str, error: &str) -> Self {
        Self {
            outbox_id: message.id,
            message_id: message.message_id,
            queue: message.queue,
            kind: message.kind,
            body: message.payload.into_bytes(),
            headers: message.headers,
            attempts: message.attempts,
            origin: Origin::Broker,
            error_code: code.to_owned(),
            error_message: storable(error),
        }
    }

    /// Letters of one cause have one fingerprint: ids, amounts and times in the error message are left out of it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.queue, &self.kind, &self.error_code] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        // A UUID is five words of which some may have no digit.
        for token in self.error_message.split(|character: char| !character.is_alphanumeric() && character != '-') {
            let is_id = Uuid::try_parse(token).is_ok();
            for word in token.split('-') {
                let varies = is_id || word.chars().any(|character| character.is_ascii_digit());
                digest.update(if varies { "#" } else { word });
                digest.update(" ");
            }
        }
        hex::encode(&digest.finalize()[..8])
    }

    /// The time in the message's own id.
    pub(crate) fn first_at(&self) -> Option<DateTime<Utc>> {
        let (seconds, nanoseconds) = self.message_id.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }
}

/// PostgreSQL cannot store the character NUL, and an error may quote anything.
pub(crate) fn storable(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(ERROR_CHARS).collect()
}

/// A body as text, and how it is to be read.
pub(crate) fn body_text(body: Vec<u8>) -> (String, &'static str) {
    match String::from_utf8(body) {
        Ok(text) if !text.contains('\0') => (text, "text"),
        Ok(text) => (hex::encode(text), "hex"),
        Err(error) => (hex::encode(error.into_bytes()), "hex"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(error: &str) -> DeadMessage {
        DeadMessage {
            outbox_id: Uuid::now_v7(),
            message_id: Uuid::now_v7(),
            queue: "open_deal.v1".to_owned(),
            kind: "open_deal".to_owned(),
            body: Vec::new(),
            headers: BTreeMap::new(),
            attempts: 1,
            origin: Origin::Job,
            error_code: "retries_exhausted".to_owned(),
            error_message: error.to_owned(),
        }
    }

    #[test]
    fn one_cause_has_one_fingerprint() {
        let first = dead("payment 0190f3c2-77aa-7000-8000-00000000abcd: node answered 503 after 12 ms");
        let second = dead("payment 0190f3c2-1111-7abc-9000-1234567890ab: node answered 503 after 7 ms");
        assert_eq!(first.fingerprint(), second.fingerprint());
        let of_payment = |id: &str| dead(&format!("the node answered 503 about {id}")).fingerprint();
        let (digits, letters) = ("0198a2c3-1dc4-74c6-90c2-103a41fa7a37", "0198a2c3-fade-74c6-beef-103a41fa7a37");
        assert_eq!(of_payment(digits), of_payment(letters), "parts of an id may have no digit");
        assert_ne!(first.fingerprint(), dead("payment is not open").fingerprint());
    }

    #[test]
    fn any_body_can_be_stored() {
        assert_eq!(body_text(b"{}".to_vec()), ("{}".to_owned(), "text"));
        assert_eq!(body_text(vec![0xff, 0x00]), ("ff00".to_owned(), "hex"));
        assert_eq!(body_text(vec![b'a', 0]), ("6100".to_owned(), "hex"));
        assert_eq!(storable("a\0b"), "ab");
    }
}
