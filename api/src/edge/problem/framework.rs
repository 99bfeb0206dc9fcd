//! What the framework and the database report, turned into problems.

use std::borrow::Cow;

use poem::{Error, error::ReadBodyError, http::StatusCode};
use poem_openapi::{
    error::{AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError},
    types::Type,
};
use sea_orm::{DbErr, SqlErr};

use super::{Code, Format, Kind, Location, Problem, Wrong};
use crate::{
    edge::{Contract, idempotency_key::IdempotencyKey},
    paging::{Limit, Offset, Page, PageLimit, PerPage},
    query_text::QueryText,
    time::Time,
    web_url::QueryUrl,
};

impl Problem {
    /// The problem that an error of a request to this contract becomes; our own pass through unchanged.
    pub(crate) fn from_error(error: Error, contract: &Contract) -> Self {
        let plain = |reason: &str| plain(reason, contract.parameters);
        let error = match error.downcast::<Self>() {
            Ok(problem) => return problem,
            Err(error) => error,
        };
        if let Some(wrong) = error.downcast_ref::<ParseParamError>() {
            let location = if wrong.name.contains('-') { Location::Header } else { Location::Query };
            return Self::new(Code::ValidationFailed).wrong(
                &format!("/{}", wrong.name),
                location,
                plain(&wrong.reason),
            );
        }
        if let Some(wrong) = error.downcast_ref::<ParsePathError>() {
            // Every path of ours has at most one parameter, and it is an id.
            return Self::new(Code::ValidationFailed).wrong("/id", Location::Path, plain(&wrong.reason));
        }
        if let Some(wrong) = error.downcast_ref::<ParseRequestPayloadError>() {
            return Self::new(Code::MalformedRequest).wrong("", Location::Body, plain(&wrong.reason));
        }
        if let Some(ReadBodyError::PayloadTooLarge) = error.downcast_ref::<ReadBodyError>() {
            return Self::from_status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if error.is::<AuthorizationError>() {
            return Self::from_status(StatusCode::UNAUTHORIZED);
        }
        if let Some(wrong) = error.downcast_ref::<ContentTypeError>() {
            return Self::new(Code::UnsupportedMediaType).detail(wrong.to_string());
        }
        if error.status().is_server_error() {
            tracing::error!(error = %error, "request failed");
        }
        Self::from_status(error.status())
    }

    /// A problem that only its status is known of.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        let code = Code::ALL.iter().copied().find(|code| code.status() == status);
        Self::new(code.unwrap_or(if status.is_client_error() { Code::MalformedRequest } else { Code::Internal }))
    }
}

/// A type of parameters.
pub(crate) struct Parameter {
    /// The type's name.
    pub(crate) name: fn() -> Cow<'static, str>,
    /// What is wrong with a text that it cannot be read from.
    pub(crate) wrong: fn() -> Wrong,
}

impl Parameter {
    /// The type, which has one thing that can be wrong.
    pub(crate) const fn new<T: Type>(wrong: fn() -> Wrong) -> Self {
        Self { name: T::name, wrong }
    }
}

/// The edge's own.
static PARAMETERS: [Parameter; 9] = [
    Parameter::new::<Page>(Page::wrong),
    Parameter::new::<PerPage>(PerPage::wrong),
    Parameter::new::<Limit>(Limit::wrong),
    Parameter::new::<PageLimit>(PageLimit::wrong),
    Parameter::new::<Offset>(Offset::wrong),
    Parameter::new::<QueryText>(|| Format::QueryText.into()),
    Parameter::new::<QueryUrl>(|| Format::QueryUrl.into()),
    Parameter::new::<IdempotencyKey>(|| Format::IdempotencyKey.into()),
    Parameter::new::<Time>(|| Format::Time.into()),
];

/// What is wrong with a parameter of one of these types, of the edge's or of the framework's. The framework keeps nothing of
/// a parser's error but a sentence, which begins with the name of the type that could not be read. This is the one place
/// that reads it, and of our own types it reads the name alone.
fn plain(reason: &str, own: &[Parameter]) -> Wrong {
    let (sentence, _) = reason.split_once(" (occurred while parsing ").unwrap_or((reason, ""));
    if sentence.contains("expects an input value") {
        return Wrong::Required;
    }
    let named = |start: &str| sentence.strip_prefix(start).and_then(|rest| rest.split_once('"'));
    let (type_name, message) = match (named("failed to parse \""), named("Expected input type \"")) {
        (Some((type_name, message)), _) => (type_name, message.trim_start_matches(": ")),
        (None, Some((type_name, _))) => (type_name, ""),
        (None, None) => ("", ""),
    };
    let known = PARAMETERS.iter().chain(own).find(|known| (known.name)() == type_name);
    known.map_or_else(|| of_framework(type_name, message), |known| (known.wrong)())
}

/// What the framework says of an enumeration's text that is none of its words.
pub(crate) const UNKNOWN_WORD: &str = "Expect a valid enumeration value.";

/// The same for the framework's types and its enumerations; a type that is not known here keeps its own sentence.
fn of_framework(type_name: &str, message: &str) -> Wrong {
    match type_name {
        _ if message == UNKNOWN_WORD => Wrong::UnknownWord,
        "boolean" => Wrong::NotA(Kind::Boolean),
        name if name.contains("uuid") => Format::Uuid.into(),
        name if name.starts_with("integer") => Wrong::NotA(Kind::Integer),
        name if name.starts_with("number") => Wrong::NotA(Kind::Number),
        name if message.is_empty() || name.starts_with("string") => Wrong::Unreadable,
        _ => Wrong::Reported(message.to_owned()),
    }
}

impl Problem {
    /// What a failed insert or update means: 409 when a unique index refused it.
    pub(crate) fn taken(error: DbErr, detail: &str) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::conflict(detail),
            _ => error.into(),
        }
    }
}

impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        tracing::error!(error = %error, "database");
        let passing = matches!(error, DbErr::Conn(_)) || queue::is_absent(&error) || queue::is_contended(&error);
        let code = if passing { Code::Unavailable } else { Code::Internal };
        Self::new(code).retry_after(1)
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseFromParameter;

    use super::*;

    const TIME: &str = "must be a time as RFC 3339 has it, such as 2030-01-31T12:00:00Z";

    #[test]
    fn sentences_name_no_types() {
        for (reason, sentence) in [
            (r#"failed to parse "string_uuid": invalid character: found `x` at 0"#, "must be a UUID"),
            (
                r#"failed to parse "optional_string_uuid": invalid length: found 1 (occurred while parsing "optional_string_uuid")"#,
                "must be a UUID",
            ),
            (
                r#"failed to parse "PaymentStatus": Expect a valid enumeration value. (occurred while parsing "optional_PaymentStatus")"#,
                "must be one of the documented words",
            ),
            (r#"failed to parse "Listed": must be an integer"#, "must be an integer"),
            (r#"failed to parse "Listed": must be "big""#, r#"must be "big""#),
            (r#"Type "string_uuid" expects an input value."#, "is required"),
            (r#"failed to parse "boolean": provided string was not `true` or `false`"#, "must be true or false"),
            (r#"failed to parse "integer_int64": invalid digit found in string"#, "must be an integer"),
            (r#"failed to parse "number_double": invalid float literal"#, "must be a number"),
            (r#"failed to parse "string_date-time": premature end of input"#, TIME),
            (r#"Expected input type "string_ipv4", found 7."#, "cannot be read"),
            ("anything else", "cannot be read"),
        ] {
            assert_eq!(plain(reason, &[]).to_string(), sentence);
        }
    }

    /// What the framework makes of a text that the type cannot be read from.
    fn reason<T: ParseFromParameter>(text: &str) -> String {
        let refused = T::parse_from_parameter(text).err().unwrap();
        refused.propagate::<Option<T>>().into_message()
    }

    #[test]
    fn types_of_ours_are_known_by_their_names() {
        let within = |min, max| Wrong::IntegerWithin { min, max };
        let reasons = [
            (reason::<Page>("0"), within(1, 2_147_483_647)),
            (reason::<PerPage>("101"), within(1, 100)),
            (reason::<Limit>("x"), within(1, 1_000)),
            (reason::<PageLimit>(""), within(1, 100)),
            (reason::<Offset>("-1"), within(0, 2_147_483_647)),
            (reason::<QueryText>(""), Format::QueryText.into()),
            (reason::<QueryUrl>("x"), Format::QueryUrl.into()),
            (reason::<IdempotencyKey>("é"), Format::IdempotencyKey.into()),
            (reason::<Time>("yesterday"), Format::Time.into()),
        ];
        assert_eq!(reasons.len(), PARAMETERS.len());
        for (reason, wrong) in reasons {
            assert_eq!(plain(&reason, &[]), wrong);
            assert!(reason.contains(&format!(": {wrong} (occurred")), "{reason}");
        }
    }
}
