//! A message as AMQP properties, headers and body, and back.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    dead_letters::{DeadMessage, Origin},
    message::Message,
};

/// Our own record of where a message was first published to: the broker's is missing or overwritten in some versions.
const ORIGIN_QUEUE: &str = "origin_queue";
const ATTEMPTS: &str = "attempts";
const OUTBOX_ID: &str = "outbox_id";
/// When it was published, milliseconds since 1970: AMQP's own timestamp counts whole seconds.
const PUBLISHED_AT: &str = "published_at_ms";
const OWN: [&str; 4] = [ORIGIN_QUEUE, ATTEMPTS, OUTBOX_ID, PUBLISHED_AT];

/// What the broker adds must not travel on: with it, cycle detection may drop a message that is published again.
const BROKERS: [&str; 3] = ["x-death", "x-first-death-", "x-last-death-"];

pub(crate) fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        // AMQP's names are at most 255 bytes long.
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            headers.insert(name, AMQPValue::LongString(value.as_str().into()));
        }
    }
    headers.insert(ORIGIN_QUEUE.into(), AMQPValue::LongString(message.queue.as_str().into()));
    headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(i64::from(message.attempts)));
    headers.insert(OUTBOX_ID.into(), AMQPValue::LongString(message.id.to_string().into()));
    headers.insert(PUBLISHED_AT.into(), AMQPValue::LongLongInt(Utc::now().timestamp_millis()));
    BasicProperties::default()
        .with_message_id(message.message_id.to_string().into())
        .with_type(message.kind.as_str().into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_headers(headers)
}

/// A delivery that is not one of ours, or no text, is a dead letter.
pub(super) fn read(queue: &str, delivery: Delivery) -> (Result<Message, Box<DeadMessage>>, lapin::Acker) {
    let Delivery { properties, data, acker, .. } = delivery;
    (content(queue, &properties, data), acker)
}

pub(crate) fn content(queue: &str, properties: &BasicProperties, data: Vec<u8>) -> Result<Message, Box<DeadMessage>> {
    let head = Head::of(queue, properties, &data);
    match (head.complete, String::from_utf8(data)) {
        (true, Ok(payload)) => Ok(head.message(payload)),
        (true, Err(error)) => Err(head.dead(error.into_bytes(), "undecodable", "the body is not UTF-8")),
        (false, body) => {
            let body = body.map_or_else(|error| error.into_bytes(), String::into_bytes);
            Err(head.dead(body, "undecodable", "message_id, type or our own headers are missing"))
        }
    }
}

/// What the broker dead-lettered, with its reason.
pub(super) fn read_dead(delivery: Delivery) -> (DeadMessage, lapin::Acker) {
    let Delivery { properties, data, acker, routing_key, .. } = delivery;
    (dead(routing_key.as_str(), &properties, data), acker)
}

pub(crate) fn dead(queue: &str, properties: &BasicProperties, data: Vec<u8>) -> DeadMessage {
    let reason = text_header(properties, "x-first-death-reason").unwrap_or_else(|| "dead_lettered".to_owned());
    let died_in = text_header(properties, "x-first-death-queue").unwrap_or_default();
    let head = Head::of(queue, properties, &data);
    let error = format!("dead-lettered by RabbitMQ: {reason} in {died_in}");
    *head.dead(data, &reason, &error)
}

/// Everything about a message but its body.
struct Head {
    id: Uuid,
    message_id: Uuid,
    queue: String,
    kind: String,
    headers: BTreeMap<String, String>,
    attempts: u32,
    complete: bool,
}

impl Head {
    fn of(queue: &str, properties: &BasicProperties, body: &[u8]) -> Self {
        let uuid = |text: &str| Uuid::parse_str(text).ok();
        let message_id = properties.message_id().as_ref().and_then(|id| uuid(id.as_str()));
        let id = text_header(properties, OUTBOX_ID).and_then(|id| uuid(&id));
        let kind = properties.kind().as_ref().map(|kind| storable(kind.as_str()));
        let complete = message_id.is_some() && id.is_some() && kind.is_some();
        // A stranger's message needs an identity that is the same each time it is read.
        let derived = derived_id(properties, body);
        Self {
            id: id.unwrap_or(derived),
            message_id: message_id.unwrap_or(derived),
            queue: text_header(properties, ORIGIN_QUEUE).unwrap_or_else(|| storable(queue)),
            kind: kind.unwrap_or_default(),
            headers: own_headers(properties),
            attempts: attempts(properties),
            complete,
        }
    }

    fn message(self, payload: String) -> Message {
        let Self { id, message_id, queue, kind, headers, attempts, .. } = self;
        Message { id, message_id, queue, kind, payload, headers, attempts, claims: 0 }
    }

    fn dead(self, body: Vec<u8>, code: &str, error: &str) -> Box<DeadMessage> {
        let mut dead = DeadMessage::broker(self.message(String::new()), code, error);
        dead.body = body;
        dead.origin = Origin::Broker;
        Box::new(dead)
    }
}

fn derived_id(properties: &BasicProperties, body: &[u8]) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(properties.message_id().as_ref().map_or("", |id| id.as_str()));
    digest.update(body);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn own_headers(properties: &BasicProperties) -> BTreeMap<String, String> {
    let Some(headers) = properties.headers() else { return BTreeMap::new() };
    let ours = headers.inner().iter().filter(|(name, _)| {
        let name = name.as_str();
        !OWN.contains(&name) && !BROKERS.iter().any(|broker| name.starts_with(broker)) && name != "x-delivery-count"
    });
    ours.filter_map(|(name, value)| Some((storable(name.as_str()), as_text(value)?))).collect()
}

fn attempts(properties: &BasicProperties) -> u32 {
    let attempts = properties.headers().as_ref().and_then(|headers| headers.inner().get(ATTEMPTS));
    let number = attempts.and_then(AMQPValue::as_long_long_int).unwrap_or(0);
    u32::try_from(number).unwrap_or(0)
}

/// How long ago it was published, by the clocks of two hosts; nothing where that makes no sense.
pub(super) fn waited(properties: &BasicProperties) -> Duration {
    let published_at = properties.headers().as_ref().and_then(|headers| headers.inner().get(PUBLISHED_AT));
    let published_at = published_at.and_then(AMQPValue::as_long_long_int).and_then(DateTime::from_timestamp_millis);
    published_at.and_then(|at| (Utc::now() - at).to_std().ok()).unwrap_or_default()
}

fn text_header(properties: &BasicProperties, name: &str) -> Option<String> {
    as_text(properties.headers().as_ref()?.inner().get(name)?)
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(storable(&long_text(text))),
        AMQPValue::ShortString(text) => Some(storable(text.as_str())),
        _ => None,
    }
}

/// A stranger's message may hold anything, and PostgreSQL does not keep U+0000, in no text and no JSON.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}

fn long_text(text: &LongString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
