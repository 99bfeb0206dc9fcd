//! What the edge knows of a contract, as one value, and of the request that it answers.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, header},
};

use super::RequestId;
use crate::{config::Config, contracts, problem::Problem};

/// A contract: its routes are its own, and this is how the rest of the crate deals with them.
pub(crate) struct Contract {
    /// Whether errors at a path are the contract's to word.
    pub(crate) speaks_at: fn(&str) -> bool,
    /// Words a problem; the headers that the problem asks for are added by the caller.
    pub(crate) refuse: fn(&Problem, &Asking) -> Response,
    /// Other sites whose pages may send requests with their users' cookies, if the contract has such.
    pub(crate) origins: Option<Origins>,
}

/// Reads from the configuration which other sites' pages a contract serves.
pub(crate) struct Origins {
    /// Whether there are any, so that answers differ by the page's origin.
    pub(crate) any: fn(&Config) -> bool,
    /// Whether an origin is one of them.
    pub(crate) allow: fn(&Config, &str) -> bool,
}

/// What an answer needs to know of its request; set on every request by the edge.
#[derive(Clone)]
pub(crate) struct Asking {
    /// The contract that speaks at the path.
    pub(crate) contract: &'static Contract,
    pub(crate) request_id: RequestId,
    pub(crate) path: String,
    accept_language: Option<HeaderValue>,
}

impl Asking {
    pub(crate) fn new(request_id: RequestId, path: &str, headers: &HeaderMap) -> Self {
        let accept_language = headers.get(header::ACCEPT_LANGUAGE).cloned();
        Self { contract: contracts::at(path), request_id, path: path.to_owned(), accept_language }
    }

    /// The request's, also where no edge stands before the route.
    pub(crate) fn of(request: &Request) -> Self {
        request
            .data::<Self>()
            .cloned()
            .unwrap_or_else(|| Self::new(RequestId::of(request), request.uri().path(), request.headers()))
    }

    /// The languages that the client prefers, as it has sent them.
    pub(crate) fn accept_language(&self) -> Option<&str> {
        self.accept_language.as_ref()?.to_str().ok()
    }
}

impl Origins {
    /// Those of the contract that the request is for.
    pub(crate) fn of(request: &Request) -> Option<&'static Self> {
        match request.data::<Asking>() {
            Some(asking) => asking.contract.origins.as_ref(),
            None => contracts::at(request.uri().path()).origins.as_ref(),
        }
    }
}
