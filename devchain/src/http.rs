//! JSON-RPC over HTTP, open to every origin, as browser wallets need it.

use std::{future::Future, time::Duration};

use futures_util::stream;
use poem::{
    Body, EndpointExt, Response, Route, Server, get, handler,
    http::{StatusCode, header},
    listener::TcpAcceptor,
    middleware::Cors,
    web::Data,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{DevChain, NoAnswer};

/// The longest request, as in geth.
const BODY_MAX: usize = 5 << 20;
/// How long requests in flight may take after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) fn serve(
    chain: DevChain,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> impl Future<Output = std::io::Result<()>> {
    let app = Route::new().at("/", get(about).post(json_rpc)).data(chain).with(Cors::new());
    async move {
        let acceptor = TcpAcceptor::from_tokio(listener)?;
        let stop = async move { shutdown.cancelled().await };
        Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(app, stop, Some(GRACE)).await
    }
}

#[handler]
fn about() -> &'static str {
    "A development chain. POST JSON-RPC here.\n"
}

#[handler]
async fn json_rpc(body: Body, Data(chain): Data<&DevChain>) -> Response {
    let Ok(body) = body.into_bytes_limit(BODY_MAX).await else {
        return Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).finish();
    };
    match chain.rpc(body.into()).await {
        Ok(answer) => Response::builder().header(header::CONTENT_TYPE, "application/json").body(answer),
        Err(NoAnswer::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Response::builder().status(status).finish()
        }
        // A promised length that is not kept makes the server close the connection.
        Err(NoAnswer::Lost) => Response::builder().header(header::CONTENT_LENGTH, 1024).body(cut_off()),
    }
}

/// A body that fails at once.
fn cut_off() -> Body {
    let failure: Result<Vec<u8>, _> = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    Body::from_bytes_stream(stream::iter([failure]))
}
