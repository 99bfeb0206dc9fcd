//! What the edge knows of a contract, as one value, and of the request that it answers.

use std::fmt;

use poem::{
    Response,
    http::{HeaderMap, HeaderValue, Method, header},
};
use poem_openapi::Tags;

use super::{Class, RequestId};
use crate::{
    body::OwnFormat,
    disk::Room,
    problem::{Parameter, Problem},
};

/// A route, as the document writes its path, that needs no token of a caller, and what a request of it costs.
pub(crate) type Stranger = (Method, &'static str, Class);

/// A contract: its routes are its own, and this is how the rest of the crate deals with them.
pub struct Contract {
    /// The name, as in `/openapi.json?contract=till`.
    pub(crate) name: &'static str,
    /// Whether errors at a path are the contract's to word.
    pub(crate) owns_path: fn(&str) -> bool,
    /// Words a problem; the problem's headers are added by the caller.
    pub(crate) refuse: fn(&Problem, &RequestContext) -> Response,
    /// Routes that need no token of a caller, and what each request costs a stranger.
    pub(crate) strangers: &'static [Stranger],
    /// Security schemes that make nobody a caller: tokens of one payment, and what a token is requested with.
    pub(crate) credentials: &'static [&'static str],
    /// The contract's own types of parameters.
    pub(crate) parameters: &'static [Parameter],
    /// The contract's own formats in bodies.
    pub(crate) formats: &'static [OwnFormat],
    /// Routes whose POST leaves more behind, and how much room there has to be on the disks for that.
    pub(crate) fills: &'static [(&'static str, Room)],
    /// Routes that any site's scripts may read.
    pub(crate) open: &'static [&'static str],
    /// Says on a page in this language, that of its `Content-Language`, that no real money is moved.
    pub(crate) no_money: fn(Option<&str>) -> &'static str,
    /// The contract's part of the document.
    pub(crate) part: Part,
}

/// Everything that is served, as the edge has to know it; put together above all of it.
pub struct Contracts {
    /// Every contract, in the order of the documents.
    pub(crate) all: &'static [&'static Contract],
    /// The one that words errors at paths where no other speaks.
    pub(crate) otherwise: &'static Contract,
    /// Routes of no contract that need no token of a caller.
    pub(crate) strangers: &'static [&'static [Stranger]],
    /// Beginnings of paths whose queries are passed on as they came, empty parameters included.
    pub(crate) as_sent: &'static [&'static str],
}

/// A contract's part of the document.
pub(crate) struct Part {
    /// What the contract is about, in a line.
    pub(crate) summary: &'static str,
    /// The groups whose operations are all the contract's own.
    pub(crate) groups: &'static [&'static (dyn Tags + Sync)],
    /// Beginnings of paths that the contract has besides: sign-ins that open it too, and what gateways call for it.
    pub(crate) paths: &'static [&'static str],
    /// Whether the contract has the events for operators, in place of those of payments.
    pub(crate) events_for_operators: bool,
    /// The name of the schema of an error body with this status; none where errors are problems.
    pub(crate) error_schema: Option<fn(&str) -> &'static str>,
    /// The status of a request with invalid values.
    pub(crate) invalid: &'static str,
    /// What the status of invalid values means, where it has more meanings than everywhere.
    pub(crate) invalid_means: Option<&'static str>,
    /// Statuses that no answer of the contract has.
    pub(crate) statuses_unused: &'static [&'static str],
    /// Whether answers leave out a field of a schema where there is nothing in it: of a schema and a property, by name.
    pub(crate) leaves_out: fn(&str, &str) -> bool,
}

impl Part {
    /// The part of a contract whose errors are problems, without groups.
    pub(crate) const PLAIN: Self = Self {
        summary: "",
        groups: &[],
        paths: &[],
        events_for_operators: false,
        error_schema: None,
        invalid: "400",
        invalid_means: None,
        statuses_unused: &[],
        leaves_out: |_, _| false,
    };
}

impl Contract {
    /// One that words errors as problems, without routes.
    pub(crate) const PLAIN: Self = Self {
        name: "",
        owns_path: |_| false,
        refuse: Problem::plainly,
        strangers: &[],
        credentials: &[],
        parameters: &[],
        formats: &[],
        fills: &[],
        open: &[],
        no_money: |_| "Development: no real money",
        part: Part::PLAIN,
    };

    /// The name, as in `/openapi.json?contract=till`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl Contracts {
    /// All of them, in the order of the documents.
    #[must_use]
    pub fn all(&self) -> &'static [&'static Contract] {
        self.all
    }

    /// The contract of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&'static Contract> {
        self.all.iter().copied().find(|contract| contract.name == name)
    }

    /// The contract that words errors at this path.
    pub(crate) fn at(&self, path: &str) -> &'static Contract {
        self.all.iter().copied().find(|contract| (contract.owns_path)(path)).unwrap_or(self.otherwise)
    }

    /// What a route that needs no token of a caller costs; none when nobody has said it. Such a one costs as much as the
    /// dearest, and fails the table test of routes.
    pub(crate) fn class_of(&self, method: &Method, template: &str) -> Option<Class> {
        let of_contracts = self.all.iter().map(|contract| contract.strangers);
        let mut routes = of_contracts.chain(self.strangers.iter().copied()).flatten();
        routes.find(|(known, path, _)| known == method && *path == template).map(|(.., class)| *class)
    }

    /// How much room there has to be for a request; none where it leaves nothing behind that others could not.
    pub(crate) fn room_for(&self, method: &Method, template: &str) -> Option<Room> {
        let template = template.trim_end_matches('/');
        let mut fills = self.all.iter().flat_map(|contract| contract.fills);
        fills.find(|(path, _)| *method == Method::POST && *path == template).map(|(_, room)| *room)
    }

    /// Whether any site's scripts may read a route.
    pub(crate) fn is_open(&self, template: &str) -> bool {
        self.all.iter().any(|contract| contract.open.contains(&template))
    }
}

impl PartialEq for Contract {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Whether pages of an origin on another host may send requests with their users' cookies.
pub(crate) type AllowsOrigin = dyn Fn(&str) -> bool + Send + Sync;

/// What an answer needs to know of its request; set on every request by the edge.
#[derive(Clone)]
pub(crate) struct RequestContext {
    /// The contract that speaks at the path.
    pub(crate) contract: &'static Contract,
    pub(crate) request_id: RequestId,
    pub(crate) path: String,
    accept_language: Option<HeaderValue>,
}

impl RequestContext {
    pub(crate) fn new(contracts: &Contracts, request_id: RequestId, path: &str, headers: &HeaderMap) -> Self {
        let accept_language = headers.get(header::ACCEPT_LANGUAGE).cloned();
        Self { contract: contracts.at(path), request_id, path: path.to_owned(), accept_language }
    }

    /// The languages that the client prefers, as it has sent them.
    pub(crate) fn accept_language(&self) -> Option<&str> {
        self.accept_language.as_ref()?.to_str().ok()
    }
}
