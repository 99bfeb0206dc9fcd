//! Responses of success beside a plain 200.

use poem_openapi::{
    ApiResponse, Object,
    payload::Json,
    types::{ParseFromJSON, ToJSON},
};

/// Something was created, whose representation is the body.
#[derive(ApiResponse)]
pub(crate) enum Created<T: ParseFromJSON + ToJSON + Send + Sync> {
    /// It was created.
    #[oai(status = 201)]
    Created(
        Json<T>,
        /// The path of what was created; only of what has one.
        #[oai(header = "Location")]
        Option<String>,
    ),
}

impl<T: ParseFromJSON + ToJSON + Send + Sync> Created<T> {
    /// The body of something whose path is this one from now on.
    pub(crate) fn at(path: String, body: T) -> Self {
        Self::Created(Json(body), Some(path))
    }

    /// The body of something that has no path of its own, hence no `Location`.
    pub(crate) fn nowhere(body: T) -> Self {
        Self::Created(Json(body), None)
    }
}

/// Something was removed, or is in the state that was requested.
#[derive(ApiResponse)]
pub(crate) enum NoContent {
    /// Done; there is no body.
    #[oai(status = 204)]
    Done,
}

/// A command was accepted and is carried out later.
#[derive(ApiResponse)]
pub(crate) enum Accepted {
    /// It was taken down.
    #[oai(status = 202)]
    Accepted(Json<AcceptedBody>),
}

/// Says that a wish was taken down.
#[derive(Clone, Debug, Object)]
pub(crate) struct AcceptedBody {
    /// Always `accepted`.
    pub(crate) status: String,
}

impl AcceptedBody {
    pub(crate) fn new() -> Self {
        Self { status: "accepted".to_owned() }
    }
}
