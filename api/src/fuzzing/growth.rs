//! Twice as many bytes take twice as long to read, whatever they are, up to the longest that is read.

use fixtures::assert_linear;
use poem_openapi::types::{ParseFromJSON, ParseFromParameter};

use crate::{
    access::bearer_token,
    body,
    contracts::{
        CONTRACTS,
        checkout::CheckoutRequest,
        marketplace::Onboarding,
        receipts::{OrderRequest, SVG_MAX, takes},
    },
    edge::{HttpConfig, idempotency_key::IdempotencyKey, well_formed},
    money,
    paging::after_cursor,
    query_text::QueryText,
    resources::payments::create::NewPayment,
    time::Time,
};

/// A text of about this length: the start, the part again and again, the end.
fn filled(size: usize, start: &str, part: &str, end: &str) -> Vec<u8> {
    let often = size.saturating_sub(start.len() + end.len()) / part.len();
    [start.as_bytes(), part.repeat(often).as_bytes(), end.as_bytes()].concat()
}

#[test]
fn pictures() {
    let kinds = [
        ("references", "<svg><style>", "url(#a)", "</style></svg>"),
        ("references in an attribute", "<svg style='", "url(#a)", "'/>"),
        ("references to nowhere", "<svg><style>", "url(", "</style></svg>"),
        ("blanks", "<svg><a href='", "          ", "#a'/></svg>"),
        ("almost words", "<svg><style>", "@impor", "</style></svg>"),
        ("style sheets", "<svg>", "<style>url(#a)</style>", "</svg>"),
        ("sections of a style sheet", "<svg><style>", "<![CDATA[url(#a)]]>", "</style></svg>"),
        ("comments", "<svg>", "<!-- -->", "</svg>"),
        ("half comments", "<svg><!--", "->", "--></svg>"),
        ("open comments", "<svg>", "<!-", ""),
        ("elements", "<svg>", "<a/>", "</svg>"),
        ("depth", "<svg>", "<a>", ""),
        ("references to entities", "<svg>", "&amp;", "</svg>"),
        ("references to characters", "<svg a='", "&#106;", "'/>"),
        ("half references", "<svg a='", "&", "'/>"),
        ("attributes of one name", "<svg ", "a='' ", "/>"),
        ("half tags", "<svg>", "<", ""),
        ("quotes", "<svg a=\"", "'", "\"/>"),
        ("blanks before", "", " ", "<svg/>"),
    ];
    for (what, start, part, end) in kinds {
        assert_linear(
            what,
            SVG_MAX,
            |size| filled(size, start, part, end),
            |bytes| {
                let _ = takes(bytes);
            },
        );
    }
    let attributes = |size: usize| {
        let names: String = (0..size / 10).map(|number| format!("a{number:05}='' ")).collect();
        format!("<svg {names}/>").into_bytes()
    };
    assert_linear("attributes", SVG_MAX, attributes, |bytes| {
        let _ = takes(bytes);
    });
}

fn body_as<T: ParseFromJSON + 'static>(bytes: &[u8]) {
    for contract in CONTRACTS.all() {
        let _ = body::read::<T>(bytes, contract.formats);
    }
}

#[test]
fn bodies() {
    let bound = HttpConfig::default().body_limit_bytes;
    let kinds = [
        ("digits", r#"{"price":1"#, "0", "}"),
        ("fraction digits", r#"{"price":0."#, "0", "}"),
        ("an exponent", r#"{"price":1e"#, "9", "}"),
        ("numbers", r#"{"items":["#, "1e99,", "1]}"),
        ("lists", r#"{"items":["#, "[],", "[]]}"),
        ("depth", r#"{"items":"#, "[", "}"),
        ("items", r#"{"items":["#, r#"{"name":"a","price":1},"#, "{}]}"),
        ("one name", "{", r#""a":1,"#, r#""a":1}"#),
        ("escapes", r#"{"external_id":""#, r"\u00e9", r#""}"#),
        ("half escapes", r#"{"external_id":""#, r"\ud800", r#""}"#),
        ("letters", r#"{"member":{"email":""#, "a@", r#""}}"#),
        ("blanks", "{", " ", "}"),
    ];
    for (what, start, part, end) in kinds {
        let input = |size| filled(size, start, part, end);
        assert_linear(what, bound, input, |bytes| body_as::<NewPayment>(bytes));
    }
    let items = |size| filled(size, r#"{"purchase":{"items":["#, r#"{"name":"a","quantity":1},"#, "{}]}}");
    assert_linear("a purchase", bound, items, |bytes| body_as::<CheckoutRequest>(bytes));
    let items = |size| filled(size, r#"{"items":["#, r#"{"a":[1,{"b":"c"}]},"#, "1]}");
    assert_linear("a document", bound, items, |bytes| body_as::<OrderRequest>(bytes));
    let iban = |size| filled(size, r#"{"iban":"PT50"#, "0", r#""}"#);
    assert_linear("an IBAN", bound, iban, |bytes| body_as::<Onboarding>(bytes));
    let names = |size: usize| {
        let fields: String = (0..size / 11).map(|number| format!("\"a{number:05}\":1,")).collect();
        format!("{{{fields}\"a\":1}}").into_bytes()
    };
    assert_linear("names", bound, names, |bytes| body_as::<NewPayment>(bytes));
}

#[test]
fn everything_but_the_body() {
    let bound = HttpConfig::default().uri_limit_bytes;
    for part in ["0", "1e9", "-", "%", "%00", "&a=", ".", "Bearer ", "2030-01-01T", "a", " ", "é"] {
        let text = |size: usize| part.repeat(size / part.len());
        assert_linear(part, bound, text, |text| {
            let _ = (money::parse(text), after_cursor(text), bearer_token(text), well_formed(text));
            let _ = (IdempotencyKey::parse_from_parameter(text), QueryText::parse_from_parameter(text));
            let _ = (Time::parse_from_parameter(text), url::form_urlencoded::parse(text.as_bytes()).count());
        });
    }
}
