//! What every request passes first and every answer last: its id, its address's allowance, the access log, metrics.

use std::{collections::HashSet, time::Instant};

use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};
use tracing::Instrument;

use super::{Class, ClientAddress, RequestContext, RequestId, RouteTemplate, cors::Cors, empty_parameters, posture};
use crate::{
    edge::EdgeState,
    problem::{Code, Location, Problem, Wrong},
};

/// The methods that HTTP itself knows.
pub(super) const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

/// Headers that the framework would take for absent when it cannot read them: a request whose key is overlooked is not
/// protected by it.
const OURS: [&str; 3] = ["Idempotency-Key", "Api-Key", "Api-Secret"];

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost endpoint.
pub(crate) struct Edge<E> {
    inner: E,
    state: EdgeState,
    audience: Audience,
    /// Parameters that stay where they are empty.
    no_texts: &'static HashSet<String>,
}

/// Who reaches an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody.
    Public,
    /// Those who run the installation.
    Operators,
}

impl<E> Edge<E> {
    /// Around what is served; `no_texts` are the names of its parameters that [`no_texts`](super::no_texts) finds.
    pub(crate) fn new(inner: E, state: EdgeState, audience: Audience, no_texts: &'static HashSet<String>) -> Self {
        Self { inner, state, audience, no_texts }
    }
}

impl<E: Endpoint> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let id = RequestId::of(&request);
        let address = ClientAddress::of(&request, self.state.http().trusted_proxies);
        if !METHODS.contains(request.method()) {
            // Whatever it is called, no route has it; this one no route has either, and it does not grow the metrics.
            request.set_method(Method::TRACE);
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let context = RequestContext::new(self.state.contracts(), id.clone(), &path, request.headers());
        request.set_data(context.clone());
        let cors = Cors::of(&self.state, &context, &request);
        let span = tracing::info_span!("request", request_id = %id, %method, %path);

        let mut response = match self.admit(&request, &address).map(|()| cors.preflight(&request)) {
            Ok(Some(allowed)) => allowed,
            Ok(None) => {
                if !self.state.contracts().as_sent.iter().any(|beginning| path.starts_with(beginning)) {
                    empty_parameters::drop_from(request.uri_mut(), self.no_texts);
                }
                request.set_data(id.clone());
                request.set_data(address.clone());
                request.set_data(self.state.clone());
                self.answer(request, &context).instrument(span.clone()).await
            }
            Err(problem) => problem.respond(&context),
        };

        cors.mark(response.headers_mut());
        keep_to_yourself(&mut response);
        response = posture::show(&self.state, context.contract, response).await;
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let route = response.data::<RouteTemplate>().map_or("unmatched", |template| template.0);
        let (status, elapsed) = (response.status().as_u16(), started.elapsed());
        let _entered = span.enter();
        let elapsed_us = elapsed.as_micros();
        if status < 400 && self.state.contracts().class_of(&method, route) == Some(Class::Watched) {
            // Monitoring requests these every few seconds, and the metrics count it.
            tracing::debug!(target: "api::access", route, status, elapsed_us, %address);
        } else {
            tracing::info!(target: "api::access", route, status, elapsed_us, %address);
        }
        metrics::histogram!(
            "quittance_http_request_duration_seconds",
            "method" => method.to_string(), "route" => route, "status" => status.to_string()
        )
        .record(elapsed);
        Ok(response)
    }
}

/// Answers hold tokens and people's data: nothing on the way keeps what is not said to be for all, and no browser takes
/// it for anything but what it is.
fn keep_to_yourself(response: &mut Response) {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

impl<E: Endpoint> Edge<E> {
    /// Refuses what must not even reach a handler.
    fn admit(&self, request: &Request, address: &ClientAddress) -> Result<(), Problem> {
        let limits = self.state.http();
        if self.audience == Audience::Public && posture::hides(limits, request.uri().path()) {
            return Err(Problem::not_found("Path"));
        }
        if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > limits.uri_limit_bytes) {
            return Err(Problem::new(Code::UriTooLong));
        }
        let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > limits.header_limit_bytes || request.headers().len() > limits.header_count_max {
            return Err(Problem::new(Code::HeadersTooLarge));
        }
        self.state.allowances().per_address.take(&address.network())?;
        for name in OURS {
            let mut values = request.headers().get_all(name).iter();
            let (value, another) = (values.next(), values.next());
            if another.is_some() || value.is_some_and(|value| value.to_str().is_err()) {
                let problem = Problem::new(Code::ValidationFailed);
                return Err(problem.wrong(&format!("/{name}"), Location::Header, Wrong::HeaderNotOnce));
            }
        }
        Ok(())
    }

    /// Answers; what no route matched is the framework's plain text and becomes a problem here.
    async fn answer(&self, request: Request, context: &RequestContext) -> Response {
        match self.inner.call(request).await.map(IntoResponse::into_response) {
            Ok(response) if response.data::<RouteTemplate>().is_some() => response,
            Ok(response) if response.status() == StatusCode::NOT_FOUND => Problem::not_found("Path").respond(context),
            Ok(response) if response.status().as_u16() >= 400 => {
                Problem::from_status(response.status()).respond(context)
            }
            Ok(response) => response,
            Err(error) => Problem::from_error(error, context.contract).respond(context),
        }
    }
}
