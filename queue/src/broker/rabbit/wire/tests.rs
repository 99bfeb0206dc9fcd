//! What comes back from the broker is what was given to it, and what is not ours is a dead letter that says why.

use super::*;

fn message() -> Message {
    let headers = [("payment_id", "p"), ("request_id", "r"), ("x-own", "kept")];
    Message {
        id: Uuid::now_v7(),
        message_id: Uuid::now_v7(),
        queue: "open_deal.v1".to_owned(),
        kind: "open_deal".to_owned(),
        payload: r#"{"payment_id":"ä"}"#.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        attempts: 3,
        claims: 0,
    }
}

fn body(of: &Message) -> Vec<u8> {
    of.payload.clone().into_bytes()
}

/// The properties of this message with one header more.
fn with(of: &Message, name: &str, value: AMQPValue) -> BasicProperties {
    let known = properties(of);
    let mut headers = known.headers().clone().unwrap_or_default();
    headers.insert(name.into(), value);
    known.with_headers(headers)
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[test]
fn a_message_comes_back_as_it_was_sent_whatever_queue_it_is_read_from() {
    let sent = message();
    let read = content("another.v1", &properties(&sent), body(&sent)).unwrap();
    assert_eq!(read, sent, "its own queue, identity, attempts and headers");
    let (deliveries, mode) = (properties(&sent), properties(&sent).delivery_mode().unwrap());
    assert_eq!((mode, deliveries.content_type().as_ref().unwrap().as_str()), (2, "application/json"), "it is durable");
}

#[test]
fn what_the_broker_adds_does_not_travel_on() {
    let sent = message();
    for (name, kept) in [
        ("x-death", false),
        ("x-first-death-queue", false),
        ("x-first-death-reason", false),
        ("x-last-death-reason", false),
        ("x-delivery-count", false),
        ("x-death-of-mine", false),
        ("x-delivery-counted", true),
        ("tracing", true),
    ] {
        let read = content("q", &with(&sent, name, long("v")), body(&sent)).unwrap();
        assert_eq!(read.headers.contains_key(name), kept, "{name}");
        assert_eq!(read.headers.len(), sent.headers.len() + usize::from(kept), "{name}");
    }
    let count = content("q", &with(&sent, "count", AMQPValue::LongInt(7)), body(&sent)).unwrap();
    assert_eq!(count.headers, sent.headers, "what is no text is no header of ours");
}

#[test]
fn a_strangers_message_is_a_letter_with_the_same_identity_each_time() {
    let sent = message();
    let read = |properties: &BasicProperties, data: &[u8]| content("q", properties, data.to_vec()).unwrap_err();
    let nothing = BasicProperties::default();
    let (one, again) = (read(&nothing, b"hello"), read(&nothing, b"hello"));
    assert_eq!((one.outbox_id, one.message_id), (again.outbox_id, again.message_id));
    assert_ne!(one.outbox_id, read(&nothing, b"hullo").outbox_id);
    let named = BasicProperties::default().with_message_id("theirs".into());
    assert_ne!(one.outbox_id, read(&named, b"hello").outbox_id, "two of theirs that say the same");
    assert_eq!(
        (one.error_code.as_str(), one.origin, one.body.as_slice()),
        ("undecodable", Origin::Broker, &b"hello"[..])
    );
    assert_eq!((one.queue.as_str(), one.kind.as_str(), one.attempts), ("q", "", 0));
    let unnamed = properties(&sent).with_message_id("no id".into());
    let letter = read(&unnamed, &body(&sent));
    assert_eq!((letter.outbox_id, letter.kind.as_str()), (sent.id, "open_deal"), "what is known of it is kept");
    let headers = with(&sent, OUTBOX_ID, long("no id"));
    assert_eq!(read(&headers, &body(&sent)).message_id, sent.message_id);
    let binary = read(&properties(&sent), &[0xff, 0x00]);
    assert_eq!((binary.outbox_id, binary.body.as_slice()), (sent.id, &[0xff, 0x00][..]), "every byte of it");
    assert_eq!(binary.error_message, "the body is not UTF-8");
}

#[test]
fn what_cannot_be_stored_is_taken_out_and_nonsense_counts_for_nothing() {
    let sent = message();
    let read = |properties: &BasicProperties| content("q", properties, body(&sent)).unwrap();
    assert_eq!(read(&with(&sent, "note", long("a\0b"))).headers["note"], "ab");
    assert_eq!(read(&properties(&sent).with_type("open\0_deal".into())).kind, "open_deal");
    for (attempts, counted) in [(-1, 0), (0, 0), (7, 7), (i64::from(u32::MAX) + 1, 0)] {
        let attempts = read(&with(&sent, ATTEMPTS, AMQPValue::LongLongInt(attempts))).attempts;
        assert_eq!(attempts, counted);
    }
    assert_eq!(read(&with(&sent, ATTEMPTS, long("7"))).attempts, 0);
}

#[test]
fn a_wait_is_reported_where_the_clocks_of_two_hosts_make_sense() {
    let sent = message();
    let since = |milliseconds: i64| {
        let at = Utc::now().timestamp_millis().saturating_sub(milliseconds);
        waited(&with(&sent, PUBLISHED_AT, AMQPValue::LongLongInt(at)))
    };
    assert!(since(5_000) >= Duration::from_secs(5) && since(5_000) < Duration::from_secs(60));
    assert_eq!(since(-60_000), Duration::ZERO, "from the future");
    assert_eq!(since(i64::MAX), Duration::ZERO, "before there was a calendar");
    assert_eq!(waited(&BasicProperties::default()), Duration::ZERO);
}

#[test]
fn what_the_broker_gave_up_names_where_and_why() {
    let sent = message();
    let given_up = with(&sent, "x-first-death-reason", long("delivery_limit"));
    let mut headers = given_up.headers().clone().unwrap();
    headers.insert("x-first-death-queue".into(), long("open_deal.v1"));
    let letter = dead("dead", &given_up.with_headers(headers), body(&sent));
    assert_eq!((letter.error_code.as_str(), letter.origin), ("delivery_limit", Origin::Broker));
    assert_eq!(letter.error_message, "dead-lettered by RabbitMQ: delivery_limit in open_deal.v1");
    assert_eq!((letter.queue.as_str(), letter.outbox_id), ("open_deal.v1", sent.id), "it belongs to its own queue");
    assert_eq!((letter.headers, letter.attempts), (sent.headers.clone(), 3));
    assert_eq!(dead("dead", &properties(&sent), body(&sent)).error_code, "dead_lettered", "nobody knows why");
}
