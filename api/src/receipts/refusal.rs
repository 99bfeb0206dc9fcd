//! The contract's error body, and the error half of its handlers' answers.

use poem::Error;
use poem_openapi::{
    ApiResponse, Object, ResponseContent,
    payload::Json,
    registry::{MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

use crate::problem::Problem;

/// Why a request was refused.
#[derive(Object)]
pub(crate) struct Refusal {
    /// Always false.
    success: bool,
    /// A sentence for people.
    error: String,
}

impl Refusal {
    /// The body as it is sent.
    pub(crate) fn text(error: String) -> String {
        Self { success: false, error }.to_json_string()
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
