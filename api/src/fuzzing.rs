//! What foreign bytes reach first, as functions of bytes: `fuzz/` feeds them at random, the tests here from its corpus.

#[cfg(test)]
mod growth;

use std::sync::LazyLock;

use poem_openapi::types::{ParseFromJSON, ParseFromParameter, ToJSON};
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    access::{TokenIssuer, bearer_token},
    body,
    contracts::{receipts, till::staff::Login},
    edge::{AuthConfig, idempotency_key::IdempotencyKey, read_address, well_formed},
    money::{self, Money},
    paging::{Page, PerPage, after_cursor, cursor_after},
    problem::Problem,
    query_text::QueryText,
    resources::{
        integrations::NewIntegration, members::NewMemberOfNode, networks::NewNetwork, nodes::NewNode,
        payments::create::NewPayment,
    },
    time::Time,
};

/// The longest answer to a request that was wrong in every way, bytes; the mistakes in it are counted.
const ANSWER_MAX: usize = 200_000;

/// A body, as each of the larger requests.
pub fn body(bytes: &[u8]) {
    body_as::<NewPayment>(bytes);
    body_as::<NewNetwork>(bytes);
    body_as::<NewMemberOfNode>(bytes);
    body_as::<NewIntegration>(bytes);
    body_as::<NewNode>(bytes);
    body_as::<Login>(bytes);
}

fn body_as<T: ParseFromJSON + 'static>(bytes: &[u8]) {
    let Err(problem) = body::read::<T>(bytes, &[]) else {
        assert!(!bytes.contains(&0), "U+0000 cannot be stored");
        return;
    };
    answerable(&problem);
}

/// A refusal is JSON, bounded, and a client's mistake.
fn answerable(problem: &Problem) {
    let answer: Value = serde_json::from_str(&problem.text("id", "/")).expect("JSON");
    assert_eq!(answer["status"], 400, "{answer}");
    assert!(answer.to_string().len() <= ANSWER_MAX);
}

/// The text of a number: what is read is exact.
pub fn money(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(Value::Number(number)) = serde_json::from_str::<Value>(text) else {
        let _ = money::parse(text);
        return;
    };
    let Ok(read) = money::parse(&number.to_string()) else { return };
    let money = crate::money::ExactNumber::<true>(read);
    let written = money.to_json().expect("a number").to_string();
    let back = serde_json::from_str(&written).expect("JSON");
    assert_eq!(Money::parse_from_json(Some(back)).expect("what was written"), money, "{text}");
}

/// An uploaded file: what is taken for a picture of the SVG kind is text with such a picture in it.
pub fn upload(bytes: &[u8]) {
    if receipts::takes(bytes) == Some("svg") {
        let text = std::str::from_utf8(bytes).expect("UTF-8").to_ascii_lowercase();
        assert!(text.contains("svg"), "{text}");
    }
}

/// An entry of `X-Forwarded-For`: what is read is in its normal form, which is read as itself.
pub fn address(bytes: &[u8]) {
    if let Some(read) = read_address(bytes) {
        assert_eq!(read, read.to_canonical());
        assert_eq!(read_address(read.to_string().as_bytes()), Some(read));
        assert_eq!(read_address(format!(" [{read}]:1\t").as_bytes()), Some(read));
    }
}

/// Everything of a request that is not its body: keys, cursors, pages, times, tokens.
pub fn parameters(bytes: &[u8]) {
    static TOKENS: LazyLock<TokenIssuer> = LazyLock::new(|| {
        let jwt_secret = SecretString::from("nobody knows this secret of tests");
        TokenIssuer::new(&AuthConfig { jwt_secret, ..AuthConfig::default() })
    });
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = IdempotencyKey::parse_from_parameter(text) {
        assert_eq!(key.0, text);
    }
    if let Some(id) = after_cursor(text) {
        assert_eq!(after_cursor(&cursor_after(id)), Some(id));
    }
    if let Ok(text) = QueryText::parse_from_parameter(text) {
        assert!(!text.0.contains('\0'));
    }
    if let Ok(page) = Page::parse_from_parameter(text) {
        assert!(page.0 >= 1);
    }
    if let Ok(per_page) = PerPage::parse_from_parameter(text) {
        assert!((1..=100).contains(&per_page.0));
    }
    let _ = (Time::parse_from_parameter(text), Uuid::parse_from_parameter(text), well_formed(text));
    let token = bearer_token(text).unwrap_or(text);
    assert!(TOKENS.verify(token).is_none(), "nobody can sign");
}

#[cfg(test)]
mod tests {
    use fixtures::hostile_bytes;

    #[test]
    fn addresses() {
        hostile_bytes("api_address", super::address);
    }

    #[test]
    fn bodies() {
        hostile_bytes("api_body", super::body);
    }

    #[test]
    fn numbers() {
        hostile_bytes("api_money", super::money);
    }

    #[test]
    fn uploads() {
        hostile_bytes("api_upload", super::upload);
    }

    #[test]
    fn everything_but_the_body() {
        hostile_bytes("api_parameters", super::parameters);
    }
}
