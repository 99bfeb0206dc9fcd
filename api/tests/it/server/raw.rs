//! A server on a socket of its own, and clients that speak bytes.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use fixtures::{Backend, TestDatabase};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app;

/// Every wait ends by then, however loaded the machine is.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A running server.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) stop: DropGuard,
    pub(super) server: JoinHandle<std::io::Result<()>>,
    _database: TestDatabase,
}

impl Served {
    pub(super) async fn with(change: impl FnOnce(&mut api::HttpConfig)) -> Self {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let state = app::state(&database, |config| change(&mut config.http));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let routes = api::routes(state.clone());
        let server = tokio::spawn(api::serve(state, routes, listener, stop.clone()));
        Self { address, stop: stop.drop_guard(), server, _database: database }
    }

    pub(super) async fn connect(&self) -> Client {
        let (read, write) = TcpStream::connect(self.address).await.unwrap().into_split();
        Client { read, write: Some(write), received: Vec::new() }
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(super) struct RawResponse {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl RawResponse {
    /// Checks that it is a problem of this code.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.head);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{body}");
        assert!(self.head.contains(body["request_id"].as_str().unwrap()), "the header names the request too");
    }
}

/// A connection.
pub(super) struct Client {
    read: OwnedReadHalf,
    /// Gone while something is being sent meanwhile.
    write: Option<OwnedWriteHalf>,
    received: Vec<u8>,
}

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let write = self.write.as_mut().expect("nothing else is being sent");
        timeout(DEADLINE, write.write_all(bytes.as_ref())).await.expect("it takes bytes").unwrap();
    }

    /// Sends while the answers are being read.
    pub(super) fn send_meanwhile(&mut self, text: String) {
        let mut write = self.write.take().expect("nothing else is being sent");
        tokio::spawn(async move {
            write.write_all(text.as_bytes()).await.unwrap();
            // Closing this half too early would end the connection.
            tokio::time::sleep(DEADLINE).await;
        });
    }

    /// The next answer while one byte after another goes out, with a pause after each.
    pub(super) async fn answer_while_dripping(&mut self, byte: u8, pause: Duration) -> Option<RawResponse> {
        let mut write = self.write.take().expect("nothing else is being sent");
        let dripping = tokio::spawn(async move {
            while write.write_all(&[byte]).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let answer = self.answer().await;
        dripping.abort();
        answer
    }

    /// The next answer; none when the connection ends before it.
    pub(super) async fn answer(&mut self) -> Option<RawResponse> {
        loop {
            if let Some(answer) = parse(&mut self.received) {
                return Some(answer);
            }
            if !self.receive().await {
                return None;
            }
        }
    }

    /// Whether the other end closes, after whatever it still says.
    pub(super) async fn ends(&mut self) -> bool {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if !self.receive().await {
                return true;
            }
        }
        false
    }

    /// How many bytes came that are no part of an answer yet.
    pub(super) fn pending(&self) -> usize {
        self.received.len()
    }

    async fn receive(&mut self) -> bool {
        let read = timeout(DEADLINE, self.read.read_buf(&mut self.received)).await.expect("something in time");
        read.unwrap_or(0) > 0
    }
}

fn parse(received: &mut Vec<u8>) -> Option<RawResponse> {
    let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(received[..end].to_vec()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").trim().parse().unwrap();
    if received.len() < end + length {
        return None;
    }
    let body = received[end..end + length].to_vec();
    received.drain(..end + length);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(RawResponse { status, head, body })
}
