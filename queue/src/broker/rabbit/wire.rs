//! A message as AMQP properties, headers and body, and back.

use std::collections::BTreeMap;

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
const OWN: [&str; 3] = [ORIGIN_QUEUE, ATTEMPTS, OUTBOX_ID];

/// What the broker adds must not travel on: with it, cycle detection may drop a message that is published again.
const BROKERS: [&str; 3] = ["x-death", "x-first-death-", "x-last-death-"];

pub(super) fn properties(message: &Message) -> BasicProperties {
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
    let head = Head::of(queue, &properties, &data);
    let content = match (head.complete, String::from_utf8(data)) {
        (true, Ok(payload)) => Ok(head.message(payload)),
        (true, Err(error)) => Err(head.dead(error.into_bytes(), "undecodable", "the body is not UTF-8")),
        (false, body) => {
            let body = body.map_or_else(|error| error.into_bytes(), String::into_bytes);
            Err(head.dead(body, "undecodable", "message_id, type or our own headers are missing"))
        }
    };
    (content, acker)
}

/// What the broker dead-lettered, with its reason.
pub(super) fn read_dead(delivery: Delivery) -> (DeadMessage, lapin::Acker) {
    let Delivery { properties, data, acker, routing_key, .. } = delivery;
    let reason = text_header(&properties, "x-first-death-reason").unwrap_or_else(|| "dead_lettered".to_owned());
    let died_in = text_header(&properties, "x-first-death-queue").unwrap_or_default();
    let head = Head::of(routing_key.as_str(), &properties, &data);
    let error = format!("dead-lettered by RabbitMQ: {reason} in {died_in}");
    (*head.dead(data, &reason, &error), acker)
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
        let kind = properties.kind().as_ref().map(|kind| kind.as_str().to_owned());
        let complete = message_id.is_some() && id.is_some() && kind.is_some();
        // A stranger's message needs an identity that is the same each time it is read.
        let derived = derived_id(properties, body);
        Self {
            id: id.unwrap_or(derived),
            message_id: message_id.unwrap_or(derived),
            queue: text_header(properties, ORIGIN_QUEUE).unwrap_or_else(|| queue.to_owned()),
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
    ours.filter_map(|(name, value)| Some((name.as_str().to_owned(), as_text(value)?))).collect()
}

fn attempts(properties: &BasicProperties) -> u32 {
    let attempts = properties.headers().as_ref().and_then(|headers| headers.inner().get(ATTEMPTS));
    let number = attempts.and_then(AMQPValue::as_long_long_int).unwrap_or(0);
    u32::try_from(number).unwrap_or(0)
}

fn text_header(properties: &BasicProperties, name: &str) -> Option<String> {
    as_text(properties.headers().as_ref()?.inner().get(name)?)
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(long_text(text)),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

fn long_text(text: &LongString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}
