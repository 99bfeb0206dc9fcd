//! The shapes of success beside a plain 200.

use poem_openapi::{
    ApiResponse, Object,
    payload::Json,
    types::{ParseFromJSON, ToJSON},
};

/// Something was created.
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
    /// It stands at this path from now on.
    pub(crate) fn at(path: String, body: T) -> Self {
        Self::Created(Json(body), Some(path))
    }

    /// It has no path of its own.
    pub(crate) fn nowhere(body: T) -> Self {
        Self::Created(Json(body), None)
    }
}

/// Something is gone.
#[derive(ApiResponse)]
pub(crate) enum Gone {
    /// Done; there is no body.
    #[oai(status = 204)]
    Gone,
}

/// A wish was taken down and is carried out later.
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
