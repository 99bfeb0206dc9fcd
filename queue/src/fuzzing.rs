//! What foreign bytes reach first, as a function of bytes: `fuzz/` feeds it at random, the test here from its corpus.

#[cfg(test)]
mod growth;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{broker::rabbit::wire, dead_letters::dead_message::body_text, message::Message};

/// A delivery: properties as lines `name value`, an empty line, and the body. What comes of it can be stored, and
/// what was ours comes through a second time as it did the first.
pub fn delivery(bytes: &[u8]) {
    let split = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..split], bytes.get(split + 2..).unwrap_or_default().to_vec());
    let properties = properties(head);
    if let Ok(message) = wire::content("q", &properties, body.clone()) {
        storable(&message);
        let again = wire::content("other", &wire::properties(&message), message.payload.clone().into_bytes());
        let again = again.expect("our own message is readable");
        assert_eq!((again.id, again.message_id, again.attempts), (message.id, message.message_id, message.attempts));
        assert_eq!((again.queue, again.kind, again.payload), (message.queue, message.kind, message.payload));
    }
    let dead = wire::dead("q", &properties, body);
    assert!(!dead.error_message.contains('\0') && !dead.error_code.contains('\0'));
    assert!(![&dead.queue, &dead.kind].iter().any(|text| text.contains('\0')));
    assert!(!dead.headers.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')));
    let _ = (dead.fingerprint(), dead.first_at());
    assert!(!body_text(dead.body).0.contains('\0'));
}

fn storable(message: &Message) {
    let texts = [&message.queue, &message.kind];
    assert!(!texts.iter().any(|text| text.contains('\0')));
    assert!(!message.headers.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')));
}

fn properties(head: &[u8]) -> BasicProperties {
    let (mut properties, mut headers) = (BasicProperties::default(), FieldTable::default());
    for line in head.split(|byte| *byte == b'\n') {
        let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (name, value) = (String::from_utf8_lossy(&line[..at]), line.get(at + 1..).unwrap_or_default());
        let short = || ShortString::try_new(String::from_utf8_lossy(value).as_ref()).ok();
        match (name.as_ref(), short()) {
            ("message_id", Some(text)) => properties = properties.with_message_id(text),
            ("type", Some(text)) => properties = properties.with_type(text),
            ("attempts", Some(text)) => {
                let number = text.as_str().parse().unwrap_or(-1);
                headers.insert("attempts".into(), AMQPValue::LongLongInt(number));
            }
            (name, _) => {
                if let Ok(name) = ShortString::try_new(name) {
                    headers.insert(name, AMQPValue::LongString(value.into()));
                }
            }
        }
    }
    properties.with_headers(headers)
}

#[cfg(test)]
mod tests {
    #[test]
    fn deliveries() {
        fixtures::hostile_bytes("queue_delivery", super::delivery);
    }
}
