//! The first start, which the till's pages ask about: here it is over before anybody can ask.

use poem_openapi::{Object, OpenApi, payload::Json};

use super::{Declined, Tag};
use crate::problem::Problem;

/// Whether there is an admin.
#[derive(Object)]
struct InitialSetup {
    /// Always true: the first admin is made when Quittance is, and told to whoever runs it.
    initialized: bool,
}

pub(crate) struct InitialSetupRoutes;

#[OpenApi(prefix_path = "/initial-setup", tag = "Tag::Till")]
impl InitialSetupRoutes {
    /// Is it set up
    ///
    /// It always is.
    #[oai(path = "/", method = "get", operation_id = "get_initial_setup")]
    async fn get(&self) -> Result<Json<InitialSetup>, Declined> {
        Ok(Json(InitialSetup { initialized: true }))
    }

    /// Set it up
    ///
    /// Always 409: the first admin exists already.
    #[oai(path = "/", method = "post", operation_id = "create_initial_setup")]
    async fn create(&self) -> Result<Json<InitialSetup>, Declined<409>> {
        Err(Problem::conflict("Initial setup already completed").into())
    }
}
