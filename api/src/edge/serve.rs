//! The API as one endpoint, and as a server with limits on connections and slow clients.

mod connection;
mod farewell;
mod gate;
mod paced;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt, IntoEndpoint, Response};
use poem_openapi::OpenApiService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{connection::Connections, gate::Gate};
use crate::{
    document,
    edge::{Audience, Edge, EdgeState, Guarded, admissions},
    receipts::orphans,
    resources::{self, documentation::Documentation, health::Health},
    state::State,
};

/// How long accepting rests when the system gives no more sockets: trying again at once would only burn the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Everything that is served, for a server or a test client.
#[must_use]
pub fn routes(state: State) -> impl Endpoint<Output = Response> {
    let timeout = Duration::from_millis(state.config().http.request_timeout_ms);
    let service = document::service(Guarded::new(resources::api(&state), timeout));
    let edge = EdgeState::clone(&state);
    Edge::new(service.into_endpoint().data(state), edge, Audience::Public)
}

/// Every route with the word for what it costs a stranger, for the table test; none where nobody has said it.
#[doc(hidden)]
#[must_use]
pub fn admission_classes(state: &State) -> Vec<(String, Option<&'static str>)> {
    admissions(resources::api(state))
}

/// Health, metrics and documents alone, for a process that serves nothing else, or on an address of the operators' own.
#[must_use]
pub fn health_routes(state: State) -> impl Endpoint<Output = Response> {
    let timeout = Duration::from_millis(state.config().http.request_timeout_ms);
    // Guarded like all others, which is also how the edge knows that a 503 is an answer of ours, with its report.
    let health = Guarded::new((Health(state.clone()), Documentation), timeout);
    let service = OpenApiService::new(health, "Quittance", env!("CARGO_PKG_VERSION"));
    Edge::new(service.into_endpoint(), EdgeState::clone(&state), Audience::Operators)
}

/// Serves HTTP/1.1 until the token is cancelled, then finishes what is under way.
///
/// # Errors
/// When the listener is unusable.
pub async fn serve(
    state: State,
    routes: impl Endpoint<Output = Response> + 'static,
    listener: TcpListener,
    cancelled: CancellationToken,
) -> std::io::Result<()> {
    let http = state.config().http.clone();
    let local = listener.local_addr()?;
    let forgetting = tokio::spawn(forget_idle(state.clone(), cancelled.clone()));
    let removing = tokio::spawn(orphans::run(state, cancelled.clone()));
    let connections = Arc::new(Connections::new(routes, local, &http, cancelled.clone()));
    let (gate, under_way) = (Gate::new(&http), TaskTracker::new());
    while let Some((socket, peer)) = cancelled.run_until_cancelled(accept(&listener)).await {
        match gate.admit(peer) {
            Ok(place) => {
                let connections = Arc::clone(&connections);
                under_way.spawn(async move {
                    connections.serve(socket, peer).await;
                    drop(place);
                });
            }
            Err(full) => full.refuse(socket),
        }
    }
    drop(listener);
    under_way.close();
    if tokio::time::timeout(Duration::from_secs(http.shutdown_timeout_s), under_way.wait()).await.is_err() {
        tracing::warn!(
            connections = under_way.len(),
            "requests under way are cut off: http.shutdown_timeout_s is over"
        );
        connections.cut();
        under_way.wait().await;
    }
    forgetting.abort();
    removing.abort();
    Ok(())
}

/// The next connection, however often the system has none to give.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

async fn forget_idle(state: State, cancelled: CancellationToken) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    while cancelled.run_until_cancelled(minute.tick()).await.is_some() {
        state.allowances().forget_idle();
        state.strangers().forget_idle();
        state.uploads().forget_idle();
        state.inquiries().forget_idle();
    }
}
