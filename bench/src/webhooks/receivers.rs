//! Receivers of events: each request is read, remembered by its id, and answered after a while.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";

/// They listen until this is dropped.
pub(crate) struct Receivers {
    addresses: Vec<SocketAddr>,
    tally: Rc<Tally>,
    _listening: JoinSet<()>,
}

/// What all of them have received.
#[derive(Default)]
struct Tally {
    arrived: RefCell<HashSet<(usize, Vec<u8>)>>,
    repeated: Cell<usize>,
    first: Cell<Option<Instant>>,
    last: Cell<Option<Instant>>,
}

impl Receivers {
    /// Starts so many receivers, which respond after this time.
    pub(crate) async fn start(count: usize, answer: Duration) -> anyhow::Result<Self> {
        let (mut addresses, mut listening, tally) = (Vec::new(), JoinSet::new(), Rc::<Tally>::default());
        for number in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?);
            let tally = Rc::clone(&tally);
            listening.spawn_local(async move {
                let mut connections = JoinSet::new();
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let tally = Rc::clone(&tally);
                    connections.spawn_local(async move {
                        // The sender may end a connection at any time.
                        let _ = serve(stream, number, &tally, answer).await;
                    });
                    while connections.try_join_next().is_some() {}
                }
            });
        }
        Ok(Self { addresses, tally, _listening: listening })
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn urls(&self) -> impl Iterator<Item = String> {
        self.addresses.iter().map(|address| format!("http://{address}/hook"))
    }

    pub(crate) fn forget(&self) {
        self.tally.arrived.borrow_mut().clear();
        self.tally.repeated.set(0);
        self.tally.first.set(None);
        self.tally.last.set(None);
    }

    /// Events, each counted once for each receiver.
    pub(crate) fn arrived(&self) -> usize {
        self.tally.arrived.borrow().len()
    }

    /// Events that arrived more than once.
    pub(crate) fn repeated(&self) -> usize {
        self.tally.repeated.get()
    }

    /// The time from the first event to the last.
    pub(crate) fn took(&self) -> Duration {
        match (self.tally.first.get(), self.tally.last.get()) {
            (Some(first), Some(last)) => last - first,
            _ => Duration::ZERO,
        }
    }
}

impl Tally {
    fn count(&self, receiver: usize, id: &[u8]) {
        let now = Instant::now();
        self.first.set(self.first.get().or(Some(now)));
        self.last.set(Some(now));
        if !self.arrived.borrow_mut().insert((receiver, id.to_vec())) {
            self.repeated.set(self.repeated.get() + 1);
        }
    }
}

async fn serve(mut stream: TcpStream, receiver: usize, tally: &Tally, answer: Duration) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4 << 10);
    loop {
        received.clear();
        let body_at = loop {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length: usize = std::str::from_utf8(header(&received, b"content-length: ")?)?.parse()?;
        while received.len() < body_at + length {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
        tally.count(receiver, header(&received[..body_at], b"webhook-id: ")?);
        if !answer.is_zero() {
            tokio::time::sleep(answer).await;
        }
        stream.write_all(ANSWER).await?;
    }
}

/// A header's value; clients write names in lower case.
fn header<'head>(head: &'head [u8], name: &[u8]) -> anyhow::Result<&'head [u8]> {
    let at = head.windows(name.len()).position(|bytes| bytes == name).context("a header is missing")? + name.len();
    let length = head[at..].iter().position(|byte| *byte == b'\r').context("a header has no end")?;
    Ok(&head[at..at + length])
}
