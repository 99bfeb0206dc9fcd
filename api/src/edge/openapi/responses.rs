//! The answers of every operation: what goes wrong with all of their kind, said once and referred to.

use serde_json::{Map, Value, json};

use super::part;
use crate::{
    edge::{Contracts, Part},
    problem::{Code, MEDIA_TYPE, Problem},
};

/// Statuses and what they mean wherever an operation's own text says no more.
const MEANINGS: &[(&str, &str)] = &[
    ("200", "Done."),
    ("400", "The request has invalid values, or cannot be read."),
    ("401", "No token, or one that is not valid; or wrong credentials."),
    ("403", "The permission is missing, or the node is out of reach."),
    ("404", "It does not exist."),
    ("408", "The body took too long to arrive."),
    ("409", "The state of things does not allow it, or a request with this idempotency key is under way."),
    ("413", "The body is too large."),
    ("414", "The path with its query is too long."),
    ("415", "The body is not JSON."),
    ("422", "The idempotency key was used for another request."),
    ("429", "Too many requests."),
    ("431", "The headers are too many or too large."),
    ("500", "A fault of ours, logged under the request id."),
    ("503", "A part of the system does not answer; try again."),
];

/// Adds the errors that every operation of its kind has, and what all answers have.
pub(super) fn complete(operation: &mut Value, contracts: &Contracts) {
    let security = operation["security"].as_array();
    // One that is empty says that it also goes without.
    let protected = security.is_some_and(|ways| !ways.is_empty() && ways.iter().all(|way| *way != json!({})));
    let body = operation.get("requestBody").is_some_and(|body| !body.is_null());
    let input = body || operation["parameters"].as_array().is_some_and(|parameters| !parameters.is_empty());
    let contract = contracts.all.iter().find(|contract| part::owns(contract, operation));
    let part = contract.map_or(&Part::PLAIN, |contract| &contract.part);
    let always = ["414", "429", "431", "500", "503"].map(|status| (status, true));
    let usual =
        [(part.invalid, input), ("401", protected), ("403", protected), ("408", body), ("413", body), ("415", body)];
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    if part.error_schema.is_some() {
        // Which body an error has may depend on the status; what an operation describes itself stays as it is.
        for (status, response) in responses.iter_mut().filter(|(status, _)| !status.starts_with('2')) {
            if response["description"].as_str().is_none_or(str::is_empty) {
                *response = error(part, status);
            }
        }
    }
    let used = |status: &str| !part.statuses_unused.contains(&status);
    for (status, _) in usual.into_iter().chain(always).filter(|(status, applies)| *applies && used(status)) {
        responses.entry(status).or_insert_with(|| error(part, status));
    }
    for (status, response) in responses.iter_mut() {
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!(meaning(status));
        }
        headers(status, response);
    }
    responses.sort_keys();
}

/// Errors of the usual kind become references into [`shared`].
pub(super) fn share_errors(operation: &mut Value) {
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        let usual = response["content"].get(MEDIA_TYPE).is_some() && response["description"] == meaning(status);
        if usual && let Some(code) = code(status) {
            *response = json!({ "$ref": format!("#/components/responses/{}", name(code)) });
        }
    }
}

/// Every usual error, once, each with a problem of its own status as the example.
pub(super) fn shared() -> Value {
    let errors = MEANINGS.iter().filter_map(|(status, _)| code(status).map(|code| (*status, code)));
    let responses = errors.map(|(status, code)| {
        let mut response = problem(status);
        response["content"][MEDIA_TYPE]["example"] = Problem::example(code);
        headers(status, &mut response);
        (name(code), response)
    });
    Value::Object(responses.collect())
}

fn problem(status: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": meaning(status), "content": { MEDIA_TYPE: { "schema": schema } } })
}

/// An error of a contract with this part.
fn error(part: &Part, status: &str) -> Value {
    let Some(schema) = part.error_schema else { return problem(status) };
    let schema = json!({ "$ref": format!("#/components/schemas/{}", schema(status)) });
    let meaning = part.invalid_means.filter(|_| status == part.invalid).unwrap_or_else(|| meaning(status));
    json!({ "description": meaning, "content": { "application/json": { "schema": schema } } })
}

fn meaning(status: &str) -> &'static str {
    MEANINGS.iter().find(|(of, _)| *of == status).map_or("Done.", |(_, meaning)| meaning)
}

/// The code of an error status; of several the most usual one.
fn code(status: &str) -> Option<Code> {
    match status {
        "400" => Some(Code::ValidationFailed),
        "403" => Some(Code::OutOfReach),
        _ => Code::ALL.iter().copied().find(|code| code.status().as_str() == status),
    }
}

/// The status in words, such as `NotFound`.
fn name(code: Code) -> String {
    code.status().canonical_reason().unwrap_or_default().split(' ').collect()
}

fn headers(status: &str, response: &mut Value) {
    let id = json!({
        "description": "Identifies the request; yours, if you sent one.", "schema": { "type": "string" }
    });
    let seconds = json!({ "description": "Seconds to wait.", "schema": { "type": "integer" } });
    let Some(response) = response.as_object_mut() else { return };
    let declared = response.remove("headers").unwrap_or_default();
    let mut headers = Map::new();
    for (name, mut header) in declared.as_object().cloned().into_iter().flatten() {
        header.as_object_mut().map(|header| header.remove("deprecated"));
        // The framework writes them in capitals.
        let words = name.split('-').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
        headers.insert(words.collect::<Vec<_>>().join("-"), header);
    }
    headers.insert("x-request-id".to_owned(), id);
    if status == "429" {
        headers.insert("Retry-After".to_owned(), seconds);
    }
    response.insert("headers".to_owned(), Value::Object(headers));
}
