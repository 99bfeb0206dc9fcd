//! The contract's error bodies.

use poem::{Response, http::StatusCode};
use poem_openapi::{
    Object, Union,
    types::{Any, Example, ToJSON},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::wrong::MarketplaceWrong;
use crate::{
    edge::RequestContext,
    problem::{Code, Format, Kind, Location, Mistake, Problem, Wrong},
};

/// Why a request was refused.
#[derive(Object)]
#[oai(rename = "MarketplaceRefusal", example)]
pub(crate) struct Refusal {
    /// A sentence for people.
    detail: String,
}

impl Example for Refusal {
    fn example() -> Self {
        Self { detail: "No connected account".to_owned() }
    }
}

/// What is wrong with a request's values.
#[derive(Object)]
#[oai(rename = "MarketplaceInvalid", example)]
pub(crate) struct Invalid {
    /// Every mistake that was found.
    detail: Vec<MistakeBody>,
}

/// One mistake.
#[derive(Object)]
#[oai(rename = "MarketplaceMistake")]
pub(crate) struct MistakeBody {
    /// What kind of mistake, a word such as `missing`.
    #[oai(rename = "type")]
    kind: String,
    /// Where: `body`, `query`, `path` or `header`, then names of fields and places in lists.
    loc: Vec<Any<Value>>,
    /// The same for people.
    msg: String,
    /// What was sent there; what is around it where nothing was.
    input: Any<Value>,
}

impl Example for Invalid {
    fn example() -> Self {
        let mistake = Mistake::in_body("/email", Format::Email);
        Self { detail: vec![MistakeBody::new(&mistake, &json!({ "email": "ana" }))] }
    }
}

/// Either of the two.
#[derive(Union)]
#[oai(rename = "MarketplaceError")]
pub(crate) enum Either {
    Refusal(Refusal),
    Invalid(Invalid),
}

/// A refusal in the contract's words.
pub(crate) type Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0> =
    crate::declined::Declined<Either, A, B, C>;

/// The contract's status: what others call 400 is 422 here.
fn status(code: Code) -> StatusCode {
    match code {
        Code::ValidationFailed | Code::MalformedRequest => StatusCode::UNPROCESSABLE_ENTITY,
        other => other.status(),
    }
}

pub(super) fn refuse(problem: &Problem, _: &RequestContext) -> Response {
    let status = status(problem.code());
    Response::builder().status(status).content_type("application/json").body(Refusal::text(problem))
}

impl Refusal {
    /// The body as it is sent.
    fn text(problem: &Problem) -> String {
        if !matches!(problem.code(), Code::ValidationFailed | Code::MalformedRequest) {
            return Self { detail: problem.sentence() }.to_json_string();
        }
        let (mistakes, sent) = (problem.errors(), problem.sent().unwrap_or(&Value::Null));
        let mut detail: Vec<MistakeBody> = mistakes.iter().map(|mistake| MistakeBody::new(mistake, sent)).collect();
        if detail.is_empty() {
            let whole = Mistake::in_body("", Wrong::Reported(problem.sentence()));
            detail.push(MistakeBody::new(&whole, sent));
        }
        Invalid { detail }.to_json_string()
    }
}

impl MistakeBody {
    fn new(mistake: &Mistake, sent: &Value) -> Self {
        let (kind, msg) = words(&mistake.wrong);
        let place = match mistake.location {
            Location::Body => "body",
            Location::Query => "query",
            Location::Path => "path",
            Location::Header => "header",
        };
        let name = |part: &str| part.replace("~1", "/").replace("~0", "~");
        let parts = mistake.pointer.split('/').skip(1).map(name);
        let parts = parts.map(|part| part.parse::<u64>().map_or_else(|_| json!(part), |index| json!(index)));
        let loc = std::iter::once(json!(place)).chain(parts).map(Any).collect();
        Self { kind: kind.to_owned(), loc, msg, input: Any(input(mistake, sent)) }
    }
}

/// What was sent at the place, or around it.
fn input(mistake: &Mistake, sent: &Value) -> Value {
    if mistake.location != Location::Body {
        // A parameter stands alone.
        return sent.clone();
    }
    let around = mistake.pointer.rsplit_once('/').map_or("", |(around, _)| around);
    sent.pointer(&mistake.pointer).or_else(|| sent.pointer(around)).cloned().unwrap_or_default()
}

/// The kind and the sentence, as clients of this contract know them.
fn words(wrong: &Wrong) -> (&'static str, String) {
    let known = match wrong {
        Wrong::Required => ("missing", "Field required"),
        Wrong::NotA(Kind::String) => ("string_type", "Input should be a valid string"),
        Wrong::NotA(Kind::Integer) => ("int_parsing", "Input should be a valid integer"),
        Wrong::NotA(Kind::Boolean) => ("bool_type", "Input should be a valid boolean"),
        Wrong::NotA(Kind::Object) => ("model_attributes_type", "Input should be a valid dictionary or object"),
        Wrong::Empty => ("string_too_short", "String should have at least 1 character"),
        Wrong::Own(own) if own.get() == Some(&MarketplaceWrong::Date) => {
            ("date_parsing", "Input should be a valid date")
        }
        Wrong::GreaterThan(bound) if bound.is_zero() => ("greater_than", "Input should be greater than 0"),
        Wrong::AtLeast(bound) if *bound == Decimal::ONE => ("greater_than", "Input should be greater than 0"),
        Wrong::NotJson(_) | Wrong::NotJsonOfOurs => ("json_invalid", "JSON decode error"),
        Wrong::TooMany { .. } => return ("string_too_long", format!("String {wrong}")),
        Wrong::NotA(Kind::Array | Kind::Number)
        | Wrong::Null
        | Wrong::Blank
        | Wrong::TooFew { .. }
        | Wrong::GreaterThan(_)
        | Wrong::AtLeast(_)
        | Wrong::AtMost(_)
        | Wrong::IntegerWithin { .. }
        | Wrong::Inexact
        | Wrong::Amount(_)
        | Wrong::Format(_)
        | Wrong::OneOf(_)
        | Wrong::UnknownWord
        | Wrong::Nul
        | Wrong::Repeated
        | Wrong::RepeatedWithin
        | Wrong::UnknownField
        | Wrong::UnknownFieldWithin
        | Wrong::HeaderNotOnce
        | Wrong::Unreadable
        | Wrong::UnreadableWithin
        | Wrong::NotACursor
        | Wrong::BehindPages(_)
        | Wrong::Past
        | Wrong::TooSoon(_)
        | Wrong::Own(_)
        | Wrong::WebhookUrl(_)
        | Wrong::UnknownEvent { .. }
        | Wrong::TokenDecimals(_)
        | Wrong::OtherChain { .. }
        | Wrong::NotForJob(_)
        | Wrong::Rule(_)
        | Wrong::Reported(_) => return ("value_error", format!("Value error, {wrong}")),
    };
    (known.0, known.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(problem: &Problem) -> Value {
        serde_json::from_str(&Refusal::text(problem)).unwrap()
    }

    #[test]
    fn mistakes_are_worded_with_what_was_sent() {
        let sent = json!({ "email": "ana", "list": [{ "a/b": 1 }] });
        let problem = Problem::invalid("/email", Format::Email)
            .wrong("/city", Location::Body, Wrong::Required)
            .wrong("/list/0/a~1b", Location::Body, Wrong::NotA(Kind::String))
            .with_sent(sent.clone());
        assert_eq!(
            body(&problem),
            json!({ "detail": [
                {
                    "type": "value_error", "loc": ["body", "email"], "input": "ana",
                    "msg": "Value error, must be an e-mail address",
                },
                { "type": "missing", "loc": ["body", "city"], "msg": "Field required", "input": sent },
                {
                    "type": "string_type", "loc": ["body", "list", 0, "a/b"], "msg": "Input should be a valid string",
                    "input": 1,
                },
            ]})
        );
    }

    #[test]
    fn other_errors_are_a_sentence() {
        assert_eq!(body(&Problem::not_found("Order")), json!({ "detail": "Order not found" }));
        assert_eq!(status(Code::NotFound), StatusCode::NOT_FOUND);
        assert_eq!(status(Code::MalformedRequest), StatusCode::UNPROCESSABLE_ENTITY);
    }
}
