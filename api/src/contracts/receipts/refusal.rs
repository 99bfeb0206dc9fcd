//! The contract's error body.

use poem::{Response, error::ResponseError};
use poem_openapi::{Object, types::ToJSON};

use crate::{edge::RequestContext, problem::Problem};

/// Why a request was refused.
#[derive(Object)]
pub(crate) struct Refusal {
    /// Always false.
    success: bool,
    /// A sentence for people.
    error: String,
}

pub(super) fn refuse(problem: &Problem, _: &RequestContext) -> Response {
    let body = Refusal { success: false, error: problem.sentence() }.to_json_string();
    Response::builder().status(problem.status()).content_type("application/json").body(body)
}

/// A refusal in the contract's words.
pub(crate) type Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0> =
    crate::declined::Declined<Refusal, A, B, C>;
