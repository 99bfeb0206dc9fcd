//! One connection: HTTP/1.1, one request after another. HTTP/2 is for the proxy in front, which also does TLS.

use std::{convert::Infallible, future::poll_fn, net::SocketAddr, sync::Arc};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use poem::{
    Endpoint, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderValue, Version, header, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{
    paced::{Paced, Patience, Progress},
    rejection,
};
use crate::{
    edge::{Contracts, EdgeState, REQUEST_ID, RequestContext, RequestId, Stopping},
    problem::{Code, Problem},
};

/// How much of a request is read ahead of its handler, bytes.
const READ_AHEAD: usize = 64 << 10;

/// What all connections share.
pub(super) struct Connections {
    endpoint: BoxEndpoint<'static, Response>,
    http: http1::Builder,
    local: SocketAddr,
    patience: Patience,
    contracts: &'static Contracts,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    pub(super) fn new(
        endpoint: impl Endpoint<Output = Response> + 'static,
        local: SocketAddr,
        state: &EdgeState,
        stop: CancellationToken,
    ) -> Self {
        let (config, contracts) = (state.http(), state.contracts());
        let mut http = http1::Builder::new();
        // Twice what is allowed still reaches the edge, which answers with a problem; hyper's own answer has no body.
        let head = 2 * (config.uri_limit_bytes + config.header_limit_bytes);
        http.max_headers(2 * config.header_count_max).max_header_size(head).max_buf_size(head.max(READ_AHEAD));
        let (patience, cut) = (Patience::new(config), CancellationToken::new());
        Self { endpoint: poem::EndpointExt::boxed(endpoint), http, local, patience, contracts, stop, cut }
    }

    /// Ends every connection now.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Answers the requests of a connection until either side ends it.
    pub(super) async fn serve(self: Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        let cut = self.cut.clone();
        metrics::gauge!("quittance_http_connections").increment(1);
        cut.run_until_cancelled(self.answer(socket, peer)).await;
        metrics::gauge!("quittance_http_connections").decrement(1);
    }

    async fn answer(self: Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        // Answers are written whole; waiting for more to send only delays them.
        let _ = socket.set_nodelay(true);
        let progress = Arc::new(Progress::default());
        let socket = Paced::new(socket, Arc::clone(&progress), self.patience);
        let shared = Arc::clone(&self);
        let service = service_fn(move |request| {
            let busy = progress.busy();
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let response = shared.respond(request, peer).await;
                drop(busy);
                Ok::<_, Infallible>(hyper::Response::from(response))
            })
        });
        let mut connection = self.http.serve_connection(TokioIo::new(socket), service);
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection was given up");
        }
        let socket = connection.into_parts().io.into_inner();
        let late = socket.gave_up_on_head().then(|| Problem::new(Code::RequestTimeout));
        rejection::send(socket, late.as_ref()).await;
    }

    async fn respond(&self, request: hyper::Request<Incoming>, peer: SocketAddr) -> Response {
        if let Some(problem) = misaddressed(&request) {
            let context =
                RequestContext::new(self.contracts, RequestId::fresh(), request.uri().path(), request.headers());
            let mut response = problem.respond(&context);
            let id = HeaderValue::from_str(context.request_id.as_str());
            response.headers_mut().extend(id.map(|id| (REQUEST_ID, id)));
            return response;
        }
        let (local, remote) = (LocalAddr(self.local.into()), RemoteAddr(peer.into()));
        let mut request = Request::from((request, local, remote, Scheme::HTTP));
        request.set_data(Stopping(self.stop.clone()));
        self.endpoint.get_response(request).await
    }
}

/// RFC 9112, section 3.2: a request of HTTP/1.1 names one host, and none names two. A proxy in between may have
/// understood another one than we would.
fn misaddressed<B>(request: &hyper::Request<B>) -> Option<Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let detail = match (hosts, request.version() >= Version::HTTP_11) {
        (0, true) => "The request has no Host header",
        (0 | 1, _) => return None,
        (_, _) => "The request has more than one Host header",
    };
    Some(Problem::new(Code::MalformedRequest).detail(detail).header(header::CONNECTION, "close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_host() {
        for (version, hosts, right) in [
            (Version::HTTP_11, 0, false),
            (Version::HTTP_11, 1, true),
            (Version::HTTP_11, 2, false),
            (Version::HTTP_10, 0, true),
            (Version::HTTP_10, 1, true),
            (Version::HTTP_10, 2, false),
        ] {
            let request = hyper::Request::builder().version(version);
            let request = (0..hosts).fold(request, |request, _| request.header(header::HOST, "pay.example"));
            assert_eq!(misaddressed(&request.body(()).unwrap()).is_none(), right, "{version:?}, {hosts}");
        }
    }
}
