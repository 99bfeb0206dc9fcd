//! The end of a connection: a last problem where no request was ever read, and time for the client to read its answer.

use std::time::Duration;

use poem::error::ResponseError;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use uuid::Uuid;

use crate::problem::{MEDIA_TYPE, Problem};

/// How long an end may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says the problem, if there is one, and closes. What the client is still sending is read and thrown away for a
/// moment: a socket that is closed with unread bytes is reset, and the reset may overtake the answer.
pub(super) async fn send(mut socket: impl AsyncRead + AsyncWrite + Unpin, problem: Option<&Problem>) {
    let close = async {
        if let Some(problem) = problem {
            socket.write_all(&bytes(problem)).await?;
        }
        socket.shutdown().await?;
        let mut rest = vec![0; 16 << 10];
        while socket.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // Whatever goes wrong now: the connection is at its end.
    let _ = timeout(PATIENCE, close).await;
}

/// A whole answer, as it goes over the wire.
fn bytes(problem: &Problem) -> Vec<u8> {
    let id = Uuid::now_v7().to_string();
    let (body, headers) = (problem.text(&id, "/"), problem.headers());
    let mut answer = format!(
        "HTTP/1.1 {}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\nx-request-id: {id}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n",
        problem.status(),
        body.len(),
    )
    .into_bytes();
    for (name, value) in headers {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body.as_bytes());
    answer
}
