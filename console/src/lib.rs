//! The operators' console at `/console`: pages over the API that it wraps, and nothing that the API cannot do. It must never
//! know what a payment, a queue or a database is, because permissions, reach, limits and the audit are the API's.

mod api;
mod assets;
mod browser;
mod layout;
mod pages;
mod parts;
mod place;
mod problem;
mod visit;

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Request, Response, Result, endpoint::BoxEndpoint};

/// The API with the console in front of it.
pub struct Console {
    api: Arc<BoxEndpoint<'static, Response>>,
}

impl Console {
    /// Wraps the API; what is not below `/console` passes through unchanged.
    #[must_use]
    pub fn over(api: impl Endpoint<Output = Response> + 'static) -> Self {
        Self { api: Arc::new(api.boxed()) }
    }
}

impl Endpoint for Console {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let path = request.uri().path();
        let ours = path.strip_prefix(place::ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !ours {
            return self.api.call(request).await;
        }
        Ok(pages::answer(&self.api, request).await)
    }
}
