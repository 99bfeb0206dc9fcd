//! What the framework and the database report, turned into problems.

use poem::{Error, error::ReadBodyError, http::StatusCode};
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};
use sea_orm::{DbErr, SqlErr};

use super::{Code, Location, Problem};

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

/// The framework's sentence without the names of Rust types around it; what its parsers say of ids and words is put
/// for people.
fn plain(reason: &str) -> String {
    let reason = match reason.strip_prefix("failed to parse ").and_then(|rest| rest.split_once(": ")) {
        Some((_, sentence)) => sentence,
        None => reason,
    };
    let (sentence, type_name) = reason.rsplit_once(" (occurred while parsing ").unwrap_or((reason, ""));
    let id = ["invalid character", "invalid length", "invalid group"].iter().any(|start| sentence.starts_with(start));
    if sentence.contains("expects an input value") {
        "is required".to_owned()
    } else if id || type_name.contains("uuid") {
        "must be a UUID".to_owned()
    } else if sentence == "Expect a valid enumeration value." {
        "must be one of the documented words".to_owned()
    } else {
        sentence.to_owned()
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
            (r#"Type "string_uuid" expects an input value."#, "is required"),
        ] {
            assert_eq!(plain(reason), sentence);
        }
    }
}
