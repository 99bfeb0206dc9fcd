//! A way around TCP connections that wait for acknowledgements.
//!
//! sqlx 0.9.0 does not set `TCP_NODELAY` (its issue 4335), so that a statement larger than one segment waits about
//! 40 ms for the server's delayed acknowledgement: a batch of a hundred rows takes 150 ms instead of 8. Until a mended
//! version is there, the pool connects to a Unix socket of this process, and what arrives there goes on over a TCP
//! connection that has the option. TLS passes through unseen. See `docs/decisions/0003-prompt-tcp.md`.
//!
//! It is also where a broken line is noticed: what is asked has to be answered, at least begun, within a time that the
//! server itself keeps to. Without this a line that swallows everything would hold a statement for ever.

use std::{io, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use sea_orm::sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    sync::watch,
    time::Instant,
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
    /// A forwarder to the server that a URL names; none for a server on a Unix socket, which needs none. It ends a
    /// connection over which the server owes an answer for `silence_max`.
    pub(super) fn to(url: &str, silence_max: Option<Duration>) -> io::Result<Option<Self>> {
        let options: PgConnectOptions = url.parse().map_err(io::Error::other)?;
        if options.get_socket().is_some() || options.get_host().starts_with('/') {
            return Ok(None);
        }
        let name = format!(".s.PGSQL.{}", options.get_port());
        let (folder, listener) = bind(&[&std::env::temp_dir(), Path::new("/tmp"), Path::new("/dev/shm")], &name)?;
        let server = (options.get_host().to_owned(), options.get_port());
        let forwarder = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    // The pool sees a closed connection and tries again; the reason can only be logged here.
                    if let Err(error) = forward(near, &server, silence_max).await {
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

/// Binds a socket of this name in a folder of its own, in the first of these places that will do. A place may be
/// missing, be read-only, or have a name that is too long for a socket's address, which holds 107 bytes.
fn bind(places: &[&Path], name: &str) -> io::Result<(TempDir, UnixListener)> {
    let mut refusals = Vec::new();
    for place in places {
        match bind_in(place, name) {
            Ok(bound) => return Ok(bound),
            Err(error) => refusals.push(format!("{}: {error}", place.display())),
        }
    }
    let refusals = refusals.join("; ");
    Err(io::Error::other(format!("no folder for the socket to the database; set TMPDIR to a short one ({refusals})")))
}

fn bind_in(place: &Path, name: &str) -> io::Result<(TempDir, UnixListener)> {
    let private = PermissionsExt::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("quittance-").permissions(private).tempdir_in(place)?;
    let listener = UnixListener::bind(folder.path().join(name))?;
    Ok((folder, listener))
}

async fn forward(near: UnixStream, (host, port): &(String, u16), silence_max: Option<Duration>) -> io::Result<()> {
    let connect = TcpStream::connect((host.as_str(), *port));
    let far = match silence_max {
        Some(limit) => tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| Err(silent())),
        None => connect.await,
    };
    let far = far.inspect_err(|error| tracing::warn!(%error, host, port, "the database server cannot be reached"))?;
    far.set_nodelay(true)?;
    exchange(near, far, silence_max).await.inspect_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut {
            tracing::warn!(host, port, after = ?silence_max, "the database server fell silent; connection given up");
        }
    })
}

/// Carries bytes both ways until either side closes, or the server owes an answer for too long.
async fn exchange(mut near: UnixStream, mut far: TcpStream, silence_max: Option<Duration>) -> io::Result<()> {
    let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
    // Set by a question, cleared by anything that comes back.
    let (owed, mut debts) = watch::channel(None);
    let questions = carry(from_near, to_far, || {
        owed.send_if_modified(|since| since.is_none() && since.replace(Instant::now()).is_none());
    });
    let answers = carry(from_far, to_near, || {
        owed.send_replace(None);
    });
    let overdue = async {
        let Some(limit) = silence_max else { return std::future::pending().await };
        loop {
            let since: Option<Instant> = *debts.borrow_and_update();
            match since {
                Some(since) => tokio::select! {
                    () = tokio::time::sleep_until(since + limit) => return silent(),
                    _ = debts.changed() => {}
                },
                None => drop(debts.changed().await),
            }
        }
    };
    tokio::select! {
        ended = questions => ended,
        ended = answers => ended,
        error = overdue => Err(error),
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passed: impl FnMut(),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        passed();
        to.write_all(&buffer[..length]).await?;
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server fell silent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_temporary_folder_that_will_not_do_is_passed_over_and_named_when_none_will() {
        let place = tempfile::tempdir().unwrap();
        let long = place.path().join("a".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let missing = place.path().join("missing");
        let (folder, _) = bind(&[&long, &missing, place.path()], ".s.PGSQL.5432").unwrap();
        assert_eq!(folder.path().parent(), Some(place.path()));
        let refused = bind(&[&long, &missing], ".s.PGSQL.5432").unwrap_err().to_string();
        assert!(refused.contains("TMPDIR") && refused.contains("missing"), "{refused}");
    }
}
