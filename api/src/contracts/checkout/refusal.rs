//! Errors as this contract tells them: few statuses, in the client's language.

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::types::ToJSON;
use serde_json::{Value, json};

use super::{
    Language, is_api_path,
    mistakes::{sentence, wording},
    pages,
};
use crate::{
    edge::RequestContext,
    problem::{MEDIA_TYPE, Problem, ProblemBody},
};

/// Words a problem, in the language that the client likes best.
pub(super) fn refuse(problem: &Problem, context: &RequestContext) -> Response {
    let language = Language::among(context.accept_language());
    respond(problem, language, context.request_id.as_str(), &context.path)
}

/// A refusal with this problem, as it goes out at a path of the contract.
fn respond(problem: &Problem, language: Language, request_id: &str, path: &str) -> Response {
    let status = contract_status(poem::error::ResponseError::status(problem));
    let mut body = body(problem, language, request_id, path);
    body.status = status.as_u16();
    let mut response = if is_api_path(path) {
        let mut json = body.to_json().unwrap_or_default();
        if path == "/v1/token" {
            json["error"] = json!(oauth_error(problem, status));
        }
        Response::builder().status(status).content_type(MEDIA_TYPE).body(json.to_string())
    } else {
        pages::problem(status, &body.detail, language)
    };
    response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    response
}

/// The problem's body with every sentence in this language.
fn body(problem: &Problem, language: Language, request_id: &str, path: &str) -> ProblemBody {
    let mut body = problem.body(request_id, path);
    body.title = language.translated(&body.title);
    body.detail = match problem.errors().first() {
        Some(first) if !problem.has_detail() => sentence(first, language),
        _ => language.translated(&body.detail),
    };
    for (written, mistake) in body.errors.iter_mut().zip(problem.errors()) {
        written.detail = wording(&mistake.wrong, language);
    }
    body
}

/// The contract's status for one of HTTP's. Its clients know these and no others: a method that a path does not have is
/// not there, whatever is wrong with a request is 400, and what is our fault is 500.
fn contract_status(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => {
            status
        }
        StatusCode::METHOD_NOT_ALLOWED => StatusCode::NOT_FOUND,
        other if other.is_client_error() => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The word that libraries of OAuth look for beside the contract's own members.
fn oauth_error(problem: &Problem, status: StatusCode) -> Value {
    match status {
        StatusCode::UNAUTHORIZED => json!("invalid_client"),
        StatusCode::BAD_REQUEST if problem.names("/grant_type") => json!("unsupported_grant_type"),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => json!("invalid_request"),
        StatusCode::TOO_MANY_REQUESTS => json!("temporarily_unavailable"),
        _ => json!("server_error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn no_other_status_is_ever_answered() {
        let allowed = [400, 401, 403, 404, 429, 500];
        for code in Code::ALL {
            let response = respond(&Problem::new(*code), Language::Spanish, "id", "/v1/payments");
            assert!(allowed.contains(&response.status().as_u16()), "{code:?} is told as {}", response.status());
            assert_eq!(response.headers()["content-language"], "es");
        }
        let mapped = |status| contract_status(StatusCode::from_u16(status).unwrap()).as_u16();
        assert_eq!([405, 409, 413, 415, 422, 408, 503, 501].map(mapped), [404, 400, 400, 400, 400, 400, 500, 500]);
    }
}
