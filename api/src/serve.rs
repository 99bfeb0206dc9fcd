//! The API as one endpoint, and as a server.

use std::time::Duration;

use poem::{Endpoint, IntoEndpoint, Response, Server, listener::TcpAcceptor};
use poem_openapi::OpenApiService;
use tokio_util::sync::CancellationToken;

use crate::{
    document,
    edge::{Edge, Guarded},
    resources::{self, health::Health},
    state::State,
};

/// Everything that is served, for a server or a test client.
#[must_use]
pub fn routes(state: State) -> impl Endpoint<Output = Response> {
    let timeout = Duration::from_millis(state.config().http.request_timeout_ms);
    let service = document::service(Guarded::new(resources::api(&state), timeout));
    Edge::new(service.into_endpoint(), state)
}

/// Health and metrics alone, for a process that serves nothing else.
#[must_use]
pub fn health_routes(state: State) -> impl Endpoint<Output = Response> {
    let service = OpenApiService::new(Health(state.clone()), "Quittance", env!("CARGO_PKG_VERSION"));
    Edge::new(service.into_endpoint(), state)
}

/// Serves until the token is cancelled, then finishes what is under way.
///
/// # Errors
/// When the listener is unusable.
pub async fn serve(
    state: State,
    routes: impl Endpoint<Output = Response> + 'static,
    listener: tokio::net::TcpListener,
    cancelled: CancellationToken,
) -> std::io::Result<()> {
    let http = state.config().http.clone();
    let forgetting = tokio::spawn(forget_idle(state.clone(), cancelled.clone()));
    let served = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .idle_timeout(Duration::from_secs(http.idle_timeout_s))
        .run_with_graceful_shutdown(
            routes,
            cancelled.cancelled_owned(),
            Some(Duration::from_secs(http.shutdown_timeout_s)),
        )
        .await;
    forgetting.abort();
    served
}

async fn forget_idle(state: State, cancelled: CancellationToken) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    while cancelled.run_until_cancelled(minute.tick()).await.is_some() {
        state.allowances().forget_idle();
    }
}
