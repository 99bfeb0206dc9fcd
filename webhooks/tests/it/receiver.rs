//! An endpoint on a socket of its own, which answers as it is told to, well or badly.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers))
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// The bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// The bytes of the first, then those of the second one by one, with this pause before each.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// These bytes for ever.
    Endless(Vec<u8>),
    After(Duration, Box<Reply>),
    /// Nothing, and the connection stays.
    Swallow,
    Reset,
}

type Behaviour = dyn Fn(&Received, usize) -> Reply + Send + Sync;

/// It listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
    /// The most requests that were under way at a time.
    pub(crate) busiest: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Desk {
    received: Arc<Mutex<Vec<Received>>>,
    busy: AtomicUsize,
    busiest: Arc<AtomicUsize>,
    behaviour: Box<Behaviour>,
}

impl Receiver {
    /// The behaviour is given each request and how many came before it.
    pub(crate) async fn start(behaviour: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (received, busiest): (Arc<Mutex<Vec<Received>>>, Arc<AtomicUsize>) = Default::default();
        let desk = Arc::new(Desk {
            received: Arc::clone(&received),
            busy: AtomicUsize::new(0),
            busiest: Arc::clone(&busiest),
            behaviour: Box::new(behaviour),
        });
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let desk = Arc::clone(&desk);
                tokio::spawn(async move { desk.serve(stream).await });
            }
        });
        Self { address, received, busiest, task }
    }

    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

impl Desk {
    async fn serve(&self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
            self.busiest.fetch_max(busy, Ordering::SeqCst);
            let before = {
                let mut received = self.received.lock().unwrap();
                received.push(request.clone());
                received.len() - 1
            };
            let goes_on = answer(&mut stream, (self.behaviour)(&request, before)).await;
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if !goes_on {
                return;
            }
        }
    }
}

/// Returns whether the connection may be used again.
async fn answer(stream: &mut TcpStream, mut reply: Reply) -> bool {
    while let Reply::After(pause, then) = reply {
        tokio::time::sleep(pause).await;
        reply = *then;
    }
    match reply {
        Reply::Status(status) => {
            let length = if status == 204 { "" } else { "content-length: 2\r\n" };
            let body = if status == 204 { "" } else { "ok" };
            let answer = format!("HTTP/1.1 {status} x\r\n{length}\r\n{body}");
            stream.write_all(answer.as_bytes()).await.is_ok()
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            false
        }
        Reply::Drip(first, rest, pause) => {
            let _ = stream.write_all(&first).await;
            for byte in rest {
                tokio::time::sleep(pause).await;
                if stream.write_all(&[byte]).await.is_err() {
                    return false;
                }
            }
            false
        }
        Reply::Endless(bytes) => {
            while stream.write_all(&bytes).await.is_ok() {}
            false
        }
        Reply::Swallow => {
            // Until the other side gives up.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            false
        }
        Reply::Reset => {
            let _ = socket_reset(stream);
            false
        }
        Reply::After(..) => false,
    }
}

/// Dropping the stream then sends RST.
#[allow(deprecated, reason = "a linger of nothing is just what is wanted")]
fn socket_reset(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_linger(Some(Duration::ZERO))
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
    Some(Received { at: Instant::now(), line, headers, body })
}
