//! The contract's error bodies.

use poem::{Response, http::StatusCode};
use poem_openapi::{
    Object, Union,
    types::{Any, Example, ToJSON},
};
use serde_json::{Value, json};

use crate::{
    edge::Asking,
    problem::{Code, Location, Mistake, Problem},
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
    detail: Vec<Wrong>,
}

/// One mistake.
#[derive(Object)]
#[oai(rename = "MarketplaceMistake")]
pub(crate) struct Wrong {
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
        let mistake = Mistake::in_body("/email", "must be an e-mail address");
        Self { detail: vec![wrong(&mistake, &json!({ "email": "ana" }))] }
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

/// Words a problem.
pub(super) fn refuse(problem: &Problem, _: &Asking) -> Response {
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
        let mut detail: Vec<Wrong> = mistakes.iter().map(|mistake| wrong(mistake, sent)).collect();
        if detail.is_empty() {
            let whole = Mistake::in_body("", problem.sentence());
            detail.push(wrong(&whole, sent));
        }
        Invalid { detail }.to_json_string()
    }
}

fn wrong(mistake: &Mistake, sent: &Value) -> Wrong {
    let (kind, msg) = words(&mistake.wrong.to_string());
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
    Wrong { kind: kind.to_owned(), loc, msg, input: Any(input(mistake, sent)) }
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
fn words(detail: &str) -> (&'static str, String) {
    let known = match detail {
        "is required" => ("missing", "Field required"),
        "must be a string" => ("string_type", "Input should be a valid string"),
        "must be an integer" => ("int_parsing", "Input should be a valid integer"),
        "must be true or false" => ("bool_type", "Input should be a valid boolean"),
        "must be an object" => ("model_attributes_type", "Input should be a valid dictionary or object"),
        "must not be empty" => ("string_too_short", "String should have at least 1 character"),
        "must be a date such as 1990-05-17" => ("date_parsing", "Input should be a valid date"),
        "must be greater than 0" | "must be at least 1" => ("greater_than", "Input should be greater than 0"),
        other if other.starts_with("is not JSON") => ("json_invalid", "JSON decode error"),
        other if other.starts_with("must have at most") => return ("string_too_long", format!("String {other}")),
        other => return ("value_error", format!("Value error, {other}")),
    };
    (known.0, known.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(problem: &Problem) -> Value {
        serde_json::from_str(&Refusal::text(problem)).unwrap()
    }

    #[test]
    fn mistakes_are_told_with_what_was_sent() {
        let sent = json!({ "email": "ana", "list": [{ "a/b": 1 }] });
        let problem = Problem::invalid("/email", "must be an e-mail address")
            .wrong("/city", Location::Body, "is required")
            .wrong("/list/0/a~1b", Location::Body, "must be a string")
            .with_sent(sent.clone());
        assert_eq!(
            told(&problem),
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
        assert_eq!(told(&Problem::not_found("Order")), json!({ "detail": "Order not found" }));
        assert_eq!(status(Code::NotFound), StatusCode::NOT_FOUND);
        assert_eq!(status(Code::MalformedRequest), StatusCode::UNPROCESSABLE_ENTITY);
    }
}
