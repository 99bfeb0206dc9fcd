//! Which other sites' pages may send requests with their users' cookies: those that the contract allows. Browsers keep all
//! others from reading its answers.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};

use super::RequestContext;
use crate::edge::EdgeState;

/// How long a browser may remember what it was allowed, seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Headers of answers that pages may read beyond those that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static("link, location, retry-after, x-request-id");

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// What a request says of the page that makes it.
pub(super) struct Cors {
    /// Whether answers differ by the page's origin.
    varies: bool,
    /// The origin, if its pages may send requests.
    origin: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn of(state: &EdgeState, context: &RequestContext, request: &Request) -> Self {
        let Some(allows) = state.origins(context.contract) else {
            return Self { varies: false, origin: None };
        };
        let allowed = |origin: &&HeaderValue| origin.to_str().is_ok_and(allows);
        Self { varies: true, origin: request.headers().get(header::ORIGIN).filter(allowed).cloned() }
    }

    /// The answer to a browser's preflight, which comes before the request itself.
    pub(super) fn preflight(&self, request: &Request) -> Option<Response> {
        let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        self.origin.as_ref().filter(|_| is_preflight && *request.method() == Method::OPTIONS)?;
        let mut response = Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
            .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
            .finish();
        // Whatever headers a page of ours wants to send, it may.
        if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        Some(response)
    }

    /// Lets the page read the answer.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = self.origin else { return };
        let marks: [(HeaderName, HeaderValue); 3] = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
        ];
        headers.extend(marks);
    }
}
