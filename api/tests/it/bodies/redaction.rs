//! Names in place of what differs from run to run. Equal values have equal names, numbered by first appearance, so that a
//! reader sees which answer speaks of which request.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

/// What every id of the migrations begins with: these are the same everywhere, and stay.
const SEEDED: &str = "00000000-0000-7000-8000-";

/// The fewest characters of a secret, a signature, a cursor or a name of a file that cannot be guessed: a UUID in Base64.
const TOKEN_MIN: usize = 22;

/// What stands at the start of a text.
enum Found {
    /// A value that was drawn.
    Drawn(&'static str, usize),
    /// A time around now, without its zone.
    Time(usize),
    /// A constant that looks like a value that was drawn.
    Constant(usize),
}

/// The text with a name in place of every UUID, JWT, secret, drawn number and time around now.
pub(super) fn redacted(text: &str) -> String {
    let mut names = Names::default();
    let (mut redacted, mut rest, mut is_start) = (String::new(), text, true);
    while let Some(next) = rest.chars().next() {
        let length = match is_start.then(|| found(rest)).flatten() {
            Some(Found::Drawn(kind, length)) => {
                redacted.push_str(&names.of(kind, &rest[..length]));
                length
            }
            Some(Found::Time(length)) => {
                redacted.push_str("[time]");
                length
            }
            Some(Found::Constant(length)) => {
                redacted.push_str(&rest[..length]);
                length
            }
            None => {
                redacted.push(next);
                next.len_utf8()
            }
        };
        is_start = !rest[..length].ends_with(|last: char| last.is_ascii_alphanumeric());
        rest = &rest[length..];
    }
    redacted
}

#[derive(Default)]
struct Names {
    names: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
}

impl Names {
    fn of(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(name) = self.names.get(value) {
            return name.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("[{kind}-{count}]");
        self.names.insert(value.to_owned(), name.clone());
        name
    }
}

fn found(text: &str) -> Option<Found> {
    let run = |is_part: fn(u8) -> bool| text.bytes().take_while(|byte| is_part(*byte)).count();
    let word = run(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if let Some(length) = time(text) {
        return Some(Found::Time(length));
    }
    if is_uuid(&text[..word.min(36)]) {
        return Some(if text.starts_with(SEEDED) { Found::Constant(36) } else { Found::Drawn("uuid", 36) });
    }
    if text.starts_with("0x") {
        return Some(Found::Constant(word));
    }
    let dotted = run(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if text.starts_with("eyJ") && text[..dotted].matches('.').count() == 2 {
        return Some(Found::Drawn("jwt", dotted));
    }
    if text.starts_with("KRFT-") && word == 11 {
        return Some(Found::Drawn("order", word));
    }
    let digits = run(|byte| byte.is_ascii_digit());
    if digits == word && (13..=16).contains(&digits) {
        return Some(Found::Drawn("number", digits));
    }
    let word = &text[..word];
    let is_mixed = word.contains(|c: char| c.is_ascii_lowercase())
        && word.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
    (word.len() >= TOKEN_MIN && is_mixed).then_some(Found::Drawn("token", word.len()))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The length of a time around now at the start of the text. Its zone does not count: which of the spellings of UTC is
/// answered stays visible. Other times come from the tests themselves.
fn time(text: &str) -> Option<usize> {
    let length = text.bytes().take_while(|byte| byte.is_ascii_digit() || b"-T:.".contains(byte)).count();
    let zone = |zone: &str| DateTime::parse_from_rfc3339(&format!("{}{zone}", &text[..length])).ok();
    let time = zone("Z")?.to_utc();
    ((time - Utc::now()).abs() < TimeDelta::days(2)).then_some(length)
}

#[test]
fn equal_values_have_equal_names() {
    let [one, two] = [uuid::Uuid::now_v7(), uuid::Uuid::now_v7()];
    let text = format!(r#"{{"id":"{one}","url":"http://x.example/{two}?a={one}","qk":"qk_{two}"}}"#);
    let wanted = r#"{"id":"[uuid-1]","url":"http://x.example/[uuid-2]?a=[uuid-1]","qk":"[token-1]"}"#;
    assert_eq!(redacted(&text), wanted);
}

#[test]
fn each_kind_has_its_name() {
    let secret = "q7fA".repeat(11);
    let jwt = format!("eyJ{secret}.{secret}.{secret}");
    for (drawn, name) in [
        (jwt.as_str(), "[jwt-1]"),
        (&secret, "[token-1]"),
        (&"0f".repeat(32), "[token-1]"),
        ("KRFT-A1B2C3", "[order-1]"),
        ("1099511627776", "[number-1]"),
        ("9007199254740991", "[number-1]"),
    ] {
        assert_eq!(redacted(&format!("a={drawn}; {drawn}é")), format!("a={name}; {name}é"));
    }
}

#[test]
fn times_around_now_lose_all_but_their_zone() {
    let now = Utc::now();
    let hour = TimeDelta::hours(1);
    for time in [now, now - hour, now + hour] {
        let (z, offset) = (time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), time.to_rfc3339());
        assert_eq!(redacted(&format!("[\"{z}\", \"{offset}\"]")), "[\"[time]Z\", \"[time]+00:00\"]");
    }
}

#[test]
fn what_is_the_same_in_every_run_stays() {
    for constant in [
        "2020-02-29T12:00:00Z",
        "1990-05-17",
        "00000000-0000-7000-8000-0000000000b1",
        "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "PT50000201231234567890154",
        "a_word_of_a_list_of_documented_words",
        "urn:quittance:problem:idempotency_key_reused",
        "+2693210000",
        "2100000000.25",
        "http://127.0.0.1:9154/checkout/assets/str.svg",
    ] {
        assert_eq!(redacted(constant), constant);
    }
}
