//! The contract's error body, and the error half of its handlers' answers.

use poem::Error;
use poem_openapi::{
    ApiResponse, Object, ResponseContent,
    payload::Json,
    registry::{MetaResponse, MetaResponses, Registry},
    types::{Example, ToJSON, Type},
};

use crate::problem::Problem;

/// Why a request was refused.
#[derive(Object)]
#[oai(rename = "TillRefusal", example)]
pub(crate) struct Refusal {
    /// A sentence for people.
    message: String,
}

impl Example for Refusal {
    fn example() -> Self {
        Self { message: "Payment not found".to_owned() }
    }
}

impl Refusal {
    /// The body as it is sent.
    pub(crate) fn text(message: String) -> String {
        Self { message }.to_json_string()
    }
}

/// A refusal, with up to three statuses that this operation has beyond those of every operation of its kind.
#[derive(Debug)]
pub(crate) struct Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0>(Problem);

impl<const A: u16, const B: u16, const C: u16, P: Into<Problem>> From<P> for Declined<A, B, C> {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl<const A: u16, const B: u16, const C: u16> From<Declined<A, B, C>> for Error {
    fn from(declined: Declined<A, B, C>) -> Self {
        declined.0.into()
    }
}

impl<const A: u16, const B: u16, const C: u16> ApiResponse for Declined<A, B, C> {
    fn meta() -> MetaResponses {
        let statuses = [A, B, C].into_iter().filter(|status| *status != 0);
        let response = |status| MetaResponse {
            description: "",
            status: Some(status),
            status_range: None,
            content: Json::<Refusal>::media_types(),
            headers: Vec::new(),
        };
        MetaResponses { responses: statuses.map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        Refusal::register(registry);
    }
}
