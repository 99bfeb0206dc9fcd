//! The error half of handlers' answers in contracts that have an error body of their own.

use std::marker::PhantomData;

use poem::Error;
use poem_openapi::{
    ApiResponse, ResponseContent,
    payload::Json,
    registry::{MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

use crate::problem::Problem;

/// A refusal that is documented with the body `R`, with up to three statuses that this operation has beyond those of
/// every operation of its kind. The edge writes the body, by the path.
#[derive(Debug)]
pub(crate) struct Declined<R, const A: u16 = 0, const B: u16 = 0, const C: u16 = 0>(Problem, PhantomData<fn() -> R>);

impl<R, const A: u16, const B: u16, const C: u16, P: Into<Problem>> From<P> for Declined<R, A, B, C> {
    fn from(problem: P) -> Self {
        Self(problem.into(), PhantomData)
    }
}

impl<R, const A: u16, const B: u16, const C: u16> From<Declined<R, A, B, C>> for Error {
    fn from(declined: Declined<R, A, B, C>) -> Self {
        declined.0.into()
    }
}

impl<R: Type + ToJSON, const A: u16, const B: u16, const C: u16> ApiResponse for Declined<R, A, B, C> {
    fn meta() -> MetaResponses {
        let statuses = [A, B, C].into_iter().filter(|status| *status != 0);
        let response = |status| MetaResponse {
            description: "",
            status: Some(status),
            status_range: None,
            content: Json::<R>::media_types(),
            headers: Vec::new(),
        };
        MetaResponses { responses: statuses.map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        R::register(registry);
    }
}
