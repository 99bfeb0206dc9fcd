//! A way around TCP connections that wait for acknowledgements.
//!
//! sqlx 0.9.0 does not set `TCP_NODELAY` (its issue 4335), so that a statement larger than one segment waits about
//! 40 ms for the server's delayed acknowledgement: a batch of a hundred rows takes 150 ms instead of 8. Until a mended
//! version is there, the pool connects to a Unix socket of this process, and what arrives there goes on over a TCP
//! connection that has the option. TLS passes through unseen. See `docs/decisions/0003-prompt-tcp.md`.

use std::{io, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use sea_orm::sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpStream, UnixListener, UnixStream},
};
use tokio_util::task::AbortOnDropHandle;

/// Large enough for a batch in one piece.
const BUFFER: usize = 64 * 1024;

/// Forwards for as long as it lives.
#[derive(Clone)]
pub(super) struct PromptTcp {
    folder: Arc<TempDir>,
    _forwarder: Arc<AbortOnDropHandle<()>>,
}

impl PromptTcp {
    /// A forwarder to the server that a URL names; none for a server on a Unix socket, which needs none.
    pub(super) fn to(url: &str) -> io::Result<Option<Self>> {
        let options: PgConnectOptions = url.parse().map_err(io::Error::other)?;
        if options.get_socket().is_some() || options.get_host().starts_with('/') {
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix("quittance-").tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700))?;
        let listener = UnixListener::bind(folder.path().join(format!(".s.PGSQL.{}", options.get_port())))?;
        let server = (options.get_host().to_owned(), options.get_port());
        let forwarder = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    // The pool sees a closed connection and tries again; the reason can only be told here.
                    if let Err(error) = forward(near, &server).await {
                        tracing::debug!(%error, host = server.0, port = server.1, "a database connection ended");
                    }
                });
            }
        });
        Ok(Some(Self { folder: Arc::new(folder), _forwarder: Arc::new(AbortOnDropHandle::new(forwarder)) }))
    }

    /// The folder of the socket.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn forward(mut near: UnixStream, (host, port): &(String, u16)) -> io::Result<()> {
    let mut far = TcpStream::connect((host.as_str(), *port)).await.inspect_err(|error| {
        tracing::warn!(%error, host, port, "the database server cannot be reached");
    })?;
    far.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER, BUFFER).await?;
    Ok(())
}
