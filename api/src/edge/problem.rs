//! Errors as their clients see them: RFC 9457 bodies, one closed list of codes, nothing of our insides.

mod code;
mod framework;
mod own;
mod refused;
mod wrong;

pub(crate) use code::Code;
pub(crate) use framework::{Parameter, UNKNOWN_WORD};
pub(crate) use own::Own;
pub(crate) use refused::Refused;
pub(crate) use wrong::{Counted, Format, Kind, Wrong};

use std::fmt;

use poem::{
    Response,
    error::ResponseError,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    Object,
    types::{Example, ToJSON},
};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use crate::edge::RequestContext;

/// Media type of every error body.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Where in a request a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, poem_openapi::Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Location {
    /// In the JSON body; the pointer goes into it.
    Body,
    /// In the query string.
    Query,
    /// In the path.
    Path,
    /// In a header.
    Header,
}

/// One mistake in a request, before it is put into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// As in [`MistakeBody`].
    pub(crate) pointer: String,
    pub(crate) location: Location,
    pub(crate) wrong: Wrong,
}

impl Mistake {
    /// A mistake in the body.
    pub(crate) fn in_body(pointer: &str, wrong: impl Into<Wrong>) -> Self {
        Self { pointer: pointer.to_owned(), location: Location::Body, wrong: wrong.into() }
    }

    /// What sentences call the value.
    pub(crate) fn name(&self) -> &str {
        self.pointer.trim_start_matches('/')
    }
}

/// One mistake in a request.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Mistake")]
pub(crate) struct MistakeBody {
    /// JSON pointer (RFC 6901) to the value, such as `/member/email`; for parameters and headers `/name`.
    pub(crate) pointer: String,
    /// Where the pointer points into.
    pub(crate) location: Location,
    /// What is wrong with the value, for a person.
    pub(crate) detail: String,
}

impl MistakeBody {
    /// The mistake in these words.
    fn new(mistake: &Mistake, detail: String) -> Self {
        Self { pointer: mistake.pointer.clone(), location: mistake.location, detail }
    }
}

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, Object)]
#[oai(rename = "Problem", example)]
pub(crate) struct ProblemBody {
    /// Identifies the kind of problem: `urn:quittance:problem:` and the code.
    #[oai(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words; the same for every problem of one kind.
    pub(crate) title: String,
    /// The HTTP status, once more.
    pub(crate) status: u16,
    /// What happened this time.
    pub(crate) detail: String,
    /// Path of the request that failed.
    pub(crate) instance: String,
    /// The kind as a word for programs; see the list in the description of this API.
    pub(crate) code: String,
    /// Identifies the request in our logs and in the payment's log; quote it when you ask us.
    pub(crate) request_id: String,
    /// Every mistake found in the request; empty when the request itself was fine.
    pub(crate) errors: Vec<MistakeBody>,
    /// Whether the same request may succeed later.
    pub(crate) retryable: bool,
    /// The payment that is in the way; only where a conflict is about one.
    #[oai(skip_serializing_if_is_none)]
    pub(crate) payment_id: Option<Uuid>,
}

impl Example for ProblemBody {
    fn example() -> Self {
        Problem::new(Code::ValidationFailed)
            .wrong("/price", Location::Body, Wrong::GreaterThan(Decimal::ZERO))
            .body("0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b", "/api/v1/payments")
    }
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: Code,
    detail: Option<String>,
    errors: Vec<Mistake>,
    /// What was sent, for a contract whose mistakes quote it.
    sent: Option<Value>,
    payment_id: Option<Uuid>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(code: Code) -> Self {
        Self(Box::new(Parts {
            code,
            detail: None,
            errors: Vec::new(),
            sent: None,
            payment_id: None,
            headers: Vec::new(),
        }))
    }

    /// The node is there but not the caller's to act on.
    pub(crate) fn out_of_reach() -> Self {
        Self::new(Code::OutOfReach).detail("Insufficient permission to access payment's node")
    }

    /// There is no such thing; `what` starts the sentence.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound).detail(format!("{what} not found"))
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Code::Conflict).detail(detail)
    }

    /// One wrong value in the body.
    pub(crate) fn invalid(pointer: &str, wrong: impl Into<Wrong>) -> Self {
        Self::new(Code::ValidationFailed).wrong(pointer, Location::Body, wrong)
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub(crate) fn wrong(mut self, pointer: &str, location: Location, wrong: impl Into<Wrong>) -> Self {
        self.0.errors.push(Mistake { pointer: pointer.to_owned(), location, wrong: wrong.into() });
        self
    }

    pub(crate) fn mistakes(mut self, mistakes: Vec<Mistake>) -> Self {
        self.0.errors.extend(mistakes);
        self
    }

    /// Keeps what was sent beside its mistakes; only contracts that quote it have it in their answers.
    pub(crate) fn with_sent(mut self, sent: Value) -> Self {
        self.0.sent = Some(sent);
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn errors(&self) -> &[Mistake] {
        &self.0.errors
    }

    pub(crate) fn sent(&self) -> Option<&Value> {
        self.0.sent.as_ref()
    }

    pub(crate) fn payment(mut self, id: Uuid) -> Self {
        self.0.payment_id = Some(id);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            self.0.headers.push((name, value));
        }
        self
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.max(1))
    }

    pub(crate) fn body(&self, request_id: &str, instance: &str) -> ProblemBody {
        let parts = &*self.0;
        let errors = parts.errors.iter().map(|mistake| MistakeBody::new(mistake, mistake.wrong.to_string()));
        ProblemBody {
            kind: format!("urn:quittance:problem:{}", parts.code.word()),
            title: parts.code.title().to_owned(),
            status: parts.code.status().as_u16(),
            detail: self.sentence(),
            instance: instance.to_owned(),
            code: parts.code.word().to_owned(),
            request_id: request_id.to_owned(),
            errors: errors.collect(),
            retryable: parts.code.retryable(),
            payment_id: parts.payment_id,
        }
    }

    /// Whether the value at this pointer is among what is wrong.
    pub(crate) fn names(&self, pointer: &str) -> bool {
        self.0.errors.iter().any(|mistake| mistake.pointer == pointer)
    }

    /// What happened, for a person.
    pub(crate) fn sentence(&self) -> String {
        self.0.detail.clone().unwrap_or_else(|| self.0.summary())
    }

    /// Whether the problem has a sentence of its own.
    pub(crate) fn has_detail(&self) -> bool {
        self.0.detail.is_some()
    }

    /// Seconds that a caller who sent too many requests has to wait.
    pub(crate) fn wait(&self) -> Option<u64> {
        let (_, seconds) = self.0.headers.iter().find(|(name, _)| name == header::RETRY_AFTER)?;
        (self.0.code == Code::TooManyRequests).then(|| seconds.to_str().ok()?.parse().ok()).flatten()
    }

    /// What a problem of this kind looks like, for the document.
    pub(crate) fn example(code: Code) -> Value {
        let problem = match code {
            Code::ValidationFailed => return ProblemBody::example().to_json().unwrap_or_default(),
            Code::NotFound => Self::not_found("Payment"),
            Code::OutOfReach => Self::out_of_reach(),
            Code::Conflict => Self::conflict("The payment is completed"),
            other => Self::new(other),
        };
        problem.body("0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b", "/api/v1/payments").to_json().unwrap_or_default()
    }

    /// The body as it is sent.
    pub(crate) fn text(&self, request_id: &str, instance: &str) -> String {
        self.body(request_id, instance).to_json().unwrap_or_default().to_string()
    }

    /// The headers that belong to this problem.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The answer for one request, in the words of the contract that it is for.
    pub(crate) fn respond(&self, context: &RequestContext) -> Response {
        let mut response = (context.contract.refuse)(self, context);
        // Where a contract calls 405 something else, nothing is said of methods either.
        let is_405 = response.status() == StatusCode::METHOD_NOT_ALLOWED;
        for (name, value) in self.0.headers.iter().filter(|(name, _)| is_405 || *name != header::ALLOW) {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }

    /// The answer as RFC 9457 has it.
    pub(crate) fn plainly(&self, context: &RequestContext) -> Response {
        let body = self.text(context.request_id.as_str(), &context.path);
        Response::builder().status(self.status()).content_type(MEDIA_TYPE).body(body)
    }
}

impl Parts {
    /// Without a sentence of its own a problem says its first mistake, so that `detail` alone is of use.
    fn summary(&self) -> String {
        match self.errors.first() {
            Some(first) if first.pointer.is_empty() => format!("The body {}", first.wrong),
            Some(first) => format!("{} {}", first.name(), first.wrong),
            None => self.code.title().to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.word(), self.sentence())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.0.code.status()
    }
}
