//! The contract's error body.

use poem::{Response, error::ResponseError};
use poem_openapi::{
    Object,
    types::{Example, ToJSON},
};

use crate::{
    edge::RequestContext,
    problem::{Code, Problem},
};

/// Why a request was refused.
#[derive(Object)]
#[oai(rename = "TillRefusal", example)]
pub(crate) struct Refusal {
    /// A sentence for people.
    message: String,
    /// Seconds until the next try; only with 429.
    #[oai(rename = "retryAfter", skip_serializing_if_is_none)]
    retry_after: Option<u64>,
}

impl Example for Refusal {
    fn example() -> Self {
        Self { message: "Payment not found".to_owned(), retry_after: None }
    }
}

pub(super) fn refuse(problem: &Problem, _: &RequestContext) -> Response {
    let body = Refusal { message: sentence(problem), retry_after: problem.wait() }.to_json_string();
    Response::builder().status(problem.status()).content_type("application/json").body(body)
}

/// What happened, in the contract's own words where it has some.
fn sentence(problem: &Problem) -> String {
    match problem.code() {
        Code::Unauthorized if !problem.has_detail() => "Unauthorized API access".to_owned(),
        Code::PermissionMissing => "Permission required".to_owned(),
        _ => problem.sentence(),
    }
}

/// A refusal in the contract's words.
pub(crate) type Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0> =
    crate::declined::Declined<Refusal, A, B, C>;
