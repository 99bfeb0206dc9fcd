//! What the framework and the database report, turned into problems.

use poem::{Error, error::ReadBodyError, http::StatusCode};
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};
use sea_orm::{DbErr, SqlErr};

use super::{Code, Location, Problem};
use crate::time;

impl Problem {
    /// The problem that an error stands for; our own pass through unchanged.
    pub(crate) fn from_error(error: Error) -> Self {
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

/// What is wrong with a parameter, for people. Our own parsers say it; what the framework says of its types would name
/// them, and is put in our words.
fn plain(reason: &str) -> String {
    let (sentence, _) = reason.split_once(" (occurred while parsing ").unwrap_or((reason, ""));
    if sentence.contains("expects an input value") {
        return "is required".to_owned();
    }
    let named = |start: &str| sentence.strip_prefix(start).and_then(|rest| rest.split_once('"'));
    let (type_name, told) = match (named("failed to parse \""), named("Expected input type \"")) {
        (Some((type_name, told)), _) => (type_name, told.trim_start_matches(": ")),
        (None, Some((type_name, _))) => (type_name, ""),
        (None, None) => ("", ""),
    };
    of_framework(type_name, told).unwrap_or(told).to_owned()
}

/// What the framework's types and its enumerations want; none for types of ours, which have told it.
fn of_framework(type_name: &str, told: &str) -> Option<&'static str> {
    match type_name {
        _ if told == "Expect a valid enumeration value." => Some("must be one of the documented words"),
        "boolean" => Some("must be true or false"),
        "string_date-time" => Some(time::WANTED),
        name if name.contains("uuid") => Some("must be a UUID"),
        name if name.starts_with("integer") => Some("must be an integer"),
        name if name.starts_with("number") => Some("must be a number"),
        name if told.is_empty() || name.starts_with("string") => Some("cannot be read"),
        _ => None,
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
    use super::*;

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
            (r#"failed to parse "Page": must be an integer"#, "must be an integer"),
            (r#"failed to parse "Page": must be "big""#, r#"must be "big""#),
            (r#"Type "string_uuid" expects an input value."#, "is required"),
            (r#"failed to parse "boolean": provided string was not `true` or `false`"#, "must be true or false"),
            (r#"failed to parse "integer_int64": invalid digit found in string"#, "must be an integer"),
            (r#"failed to parse "number_double": invalid float literal"#, "must be a number"),
            (r#"failed to parse "string_date-time": premature end of input"#, time::WANTED),
            (r#"Expected input type "string_ipv4", found 7."#, "cannot be read"),
            ("anything else", "cannot be read"),
        ] {
            assert_eq!(plain(reason), sentence);
        }
    }
}
