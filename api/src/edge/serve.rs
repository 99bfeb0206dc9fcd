//! A server with limits on connections and slow clients.

mod connection;
mod gate;
mod paced;
mod rejection;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use poem::{Endpoint, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{connection::Connections, gate::Gate};
use crate::edge::EdgeState;

/// How long accepting rests when the system gives no more sockets: trying again at once would only burn the processor.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 until the token is cancelled, then finishes what is under way.
///
/// # Errors
/// When the listener is unusable.
pub(crate) async fn serve(
    state: EdgeState,
    routes: impl Endpoint<Output = Response> + 'static,
    listener: TcpListener,
    cancelled: CancellationToken,
) -> std::io::Result<()> {
    let http = state.http().clone();
    let local = listener.local_addr()?;
    let connections = Arc::new(Connections::new(routes, local, &state, cancelled.clone()));
    let forgetting = tokio::spawn(forget_idle(state, cancelled.clone()));
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

async fn forget_idle(state: EdgeState, cancelled: CancellationToken) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    while cancelled.run_until_cancelled(minute.tick()).await.is_some() {
        state.allowances().forget_idle();
        state.strangers().forget_idle();
    }
}
