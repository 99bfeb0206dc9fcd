//! The error half of a handler's answer, which also declares in the document what may go wrong.

use poem::Error;
use poem_openapi::{
    ApiResponse, ResponseContent,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};

use super::{MEDIA_TYPE, Problem, ProblemBody};

/// A problem, with up to three statuses that this operation has beyond those which [`crate::openapi`] gives to every
/// operation of its kind (400 for input, 401 and 403 for a protected one, 413 and 415 for a body, 429, 500, 503).
#[derive(Debug)]
pub(crate) struct Refused<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0>(pub(crate) Problem);

impl<const A: u16, const B: u16, const C: u16, P: Into<Problem>> From<P> for Refused<A, B, C> {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl<const A: u16, const B: u16, const C: u16> From<Refused<A, B, C>> for Error {
    fn from(refused: Refused<A, B, C>) -> Self {
        refused.0.into()
    }
}

impl<const A: u16, const B: u16, const C: u16> ApiResponse for Refused<A, B, C> {
    fn meta() -> MetaResponses {
        let statuses = [A, B, C].into_iter().filter(|status| *status != 0);
        MetaResponses { responses: statuses.map(response).collect() }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

/// The documented error answer of one status.
fn response(status: u16) -> MetaResponse {
    MetaResponse {
        description: "",
        status: Some(status),
        status_range: None,
        content: ProblemJson::media_types(),
        headers: Vec::new(),
    }
}

struct ProblemJson;

impl ResponseContent for ProblemJson {
    fn media_types() -> Vec<MetaMediaType> {
        vec![MetaMediaType {
            content_type: MEDIA_TYPE,
            schema: MetaSchemaRef::Reference(ProblemBody::name().into_owned()),
        }]
    }
}
