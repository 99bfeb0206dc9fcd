//! One request to an endpoint, and what came of it.

use std::{cell::Cell, error::Error, io, net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use entities::now;
use reqwest::{
    Client, ClientBuilder, Response, Url,
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use tower::util::MapFutureLayer;

use crate::{
    Config,
    guard::{AddressRefused, Guard, GuardedResolver, Lookup, NameUnknown},
    schedule,
};

/// Most of an answer that is read, bytes.
const READ_MAX: usize = 64 * 1_024;

/// Most of an answer that is kept, bytes.
const KEPT_MAX: usize = 16 * 1_024;

/// Longest error that is kept, characters.
const ERROR_MAX: usize = 500;

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// Whether the request that is under way in this task has had a connection made.
    static DIALLED: Cell<bool>;
}

/// Sends requests, each to an address that the guard has let through. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Post {
    http: Client,
    /// Keeps no connections: each of its requests has one that was just made.
    anew: Client,
    guard: Guard,
    timeout: Duration,
}

/// A request that the guard has not seen yet.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What came back of a request: a response, or why there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointResponse {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) status: Option<u16>,
    /// The beginning of the body, as text that both databases take.
    pub(crate) body: Option<String>,
    pub(crate) retry_after: Option<TimeDelta>,
    pub(crate) error: Option<PostFailure>,
}

/// Why there is no whole answer.
#[derive(Clone, Debug)]
pub(crate) struct PostFailure {
    /// A stable word for programs, such as `timeout`.
    pub(crate) code: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
}

impl EndpointResponse {
    /// Whether the event has arrived.
    pub(crate) fn is_success(&self) -> bool {
        self.error.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// What went wrong, in a few words.
    pub(crate) fn summary(&self) -> String {
        match (&self.error, self.status) {
            (Some(failure), _) => failure.message.clone(),
            (None, Some(status)) => format!("answered {status}"),
            (None, None) => "no answer".to_owned(),
        }
    }

    fn fail(&mut self, code: &'static str, message: &str) {
        self.error = Some(PostFailure { code, message: message.replace('\0', "").chars().take(ERROR_MAX).collect() });
    }
}

impl Post {
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub(crate) fn new(config: &Config, lookup: Lookup) -> reqwest::Result<Self> {
        let guard = Guard::new(config);
        let client = |kept: usize| client(config, &guard, &lookup).pool_max_idle_per_host(kept).build();
        Ok(Self { http: client(config.in_flight_max)?, anew: client(0)?, timeout: config.timeout(), guard })
    }

    pub(crate) async fn send(&self, request: Request) -> EndpointResponse {
        let mut response = EndpointResponse::default();
        let url = match self.guard.check(&request.url) {
            Ok(url) => url,
            Err(refused) => {
                response.fail("refused_url", &refused.to_string());
                return response;
            }
        };
        if tokio::time::timeout(self.timeout, self.exchange(url, request, &mut response)).await.is_err() {
            let whole = if response.status.is_some() { "whole answer" } else { "answer" };
            response.fail("timeout", &format!("no {whole} within {} ms", self.timeout.as_millis()));
        }
        response
    }

    async fn exchange(&self, url: Url, request: Request, response: &mut EndpointResponse) {
        let sent = self.exchanged(url, request).await;
        let mut http_response = match sent {
            Ok(http_response) => http_response,
            Err(error) => {
                let error = error.without_url();
                return response.fail(code(&error), &in_full(&error));
            }
        };
        response.address = http_response.remote_addr();
        response.status = Some(http_response.status().as_u16());
        let header = http_response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        response.retry_after = header.and_then(|value| schedule::retry_after(value, now()));
        let mut bytes = Vec::new();
        let read = read(&mut http_response, &mut bytes).await;
        response.body = Some(storable(&bytes));
        if let Err(error) = read {
            let error = error.without_url();
            response.fail(code(&error), &in_full(&error));
        }
    }

    /// Sends it, over a connection that was kept or a new one. A receiver may close a kept one in the moment in which
    /// it is used. Nobody can tell whether it has read the request, so it is sent again, at once and over a connection
    /// of its own: it has the same id, as any other repetition.
    async fn exchanged(&self, url: Url, request: Request) -> reqwest::Result<Response> {
        let Request { headers, body, .. } = request;
        let first = self.http.post(url.clone()).headers(headers.clone()).body(body.clone()).send();
        let (sent, dialled) = DIALLED.scope(Cell::new(false), async { (first.await, DIALLED.with(Cell::get)) }).await;
        match sent {
            Err(error) if !dialled && is_closed(&error) => {
                metrics::counter!("quittance_webhook_kept_connections_closed_total").increment(1);
                self.anew.post(url).headers(headers).body(body).send().await
            }
            sent => sent,
        }
    }
}

fn client(config: &Config, guard: &Guard, lookup: &Lookup) -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .dns_resolver(GuardedResolver { guard: guard.clone(), lookup: Lookup::clone(lookup) })
        .connector_layer(MapFutureLayer::new(dialled::<_>))
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
}

/// Marks the request, if it still waits for this connection: else it was given one that had been kept.
async fn dialled<F: Future>(connecting: F) -> F::Output {
    let connected = connecting.await;
    let _ = DIALLED.try_with(|dialled| dialled.set(true));
    connected
}

/// Whether the connection was closed before any of the answer came.
fn is_closed(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    causes(error).any(|cause| {
        let broken = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
            || cause.downcast_ref::<io::Error>().is_some_and(|error| broken.contains(&error.kind()))
    })
}

/// Reads until the end, or until it is more than anybody needs.
async fn read(http_response: &mut Response, bytes: &mut Vec<u8>) -> reqwest::Result<()> {
    while let Some(chunk) = http_response.chunk().await? {
        let in_flight_memory = READ_MAX - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(in_flight_memory)]);
        if bytes.len() == READ_MAX {
            break;
        }
    }
    Ok(())
}

/// Text that both databases take.
fn storable(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT_MAX)]).replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(KEPT_MAX));
    text
}

fn causes<'error>(error: &'error reqwest::Error) -> impl Iterator<Item = &'error (dyn Error + 'static)> {
    std::iter::successors(Some(error as &'error (dyn Error + 'static)), |&error| {
        // An I/O error speaks for what it holds, and names only that one's source as its own.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn code(error: &reqwest::Error) -> &'static str {
    for cause in causes(error) {
        if cause.is::<AddressRefused>() {
            return "refused_address";
        }
        if cause.is::<NameUnknown>() {
            return "unknown_name";
        }
        match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "connection_refused",
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => return "connection_reset",
            // What rustls complains about.
            Some(io::ErrorKind::InvalidData) => return "tls",
            _ => {}
        }
    }
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "exchange"
    }
}

/// The error and its causes, each once.
fn in_full(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = causes(error).map(ToString::to_string).collect();
    parts.dedup();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_as_text_that_databases_take() {
        assert_eq!(storable(b"fine"), "fine");
        assert_eq!(storable(b"a\0b\xff"), "a\u{fffd}b\u{fffd}");
        let long = storable(&vec![0xff; READ_MAX]);
        assert!(long.len() <= KEPT_MAX && long.len() > KEPT_MAX - 3);
    }
}
