//! A server on a socket of its own, which records what it is asked and fails on command.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use chrono::{DateTime, Utc};
use gateways::{Callback, Gateway, Handle, Money, Order, Payer, Refund};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use uuid::Uuid;

/// How long gateways are waited for in these tests.
pub(crate) const TIMEOUT_MS: u64 = 1_500;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Verb and path.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status, and nothing is done.
    Refuse(u16),
    /// It is done, and answered with this status.
    DoneThen(u16),
    /// It is done, and the connection is cut in place of an answer.
    DoneThenCut,
    /// It is done, and the connection is cut in the middle of the answer.
    DoneThenCutShort,
    /// It is done, and answered when nobody waits any more.
    DoneThenSlow,
    /// It is done, and answered with what is not JSON.
    DoneThenGarbled,
    /// It is done, and answered with far more than anybody reads.
    DoneThenEndless,
}

impl Fault {
    /// Those after which nobody can know what happened.
    pub(crate) const UNKNOWN: &[Self] = &[
        Self::DoneThen(500),
        Self::DoneThen(503),
        Self::DoneThenCut,
        Self::DoneThenCutShort,
        Self::DoneThenSlow,
        Self::DoneThenGarbled,
        Self::DoneThenEndless,
    ];
}

type Handler = dyn Fn(&Request) -> (u16, Value) + Send + Sync;

/// It listens until it is dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

struct Desk {
    calls: Mutex<Vec<Request>>,
    /// What lines begin with, and what happens to the next such request.
    faults: Mutex<VecDeque<(String, Fault)>>,
    handler: Box<Handler>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub(crate) async fn start(handler: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static) -> Self {
        install_tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk { calls: Mutex::default(), faults: Mutex::default(), handler: Box::new(handler) });
        let served = Arc::clone(&desk);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let desk = Arc::clone(&served);
                tokio::spawn(async move { desk.serve(stream).await });
            }
        });
        Self { address, desk, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request whose verb and path begin so goes wrong.
    pub(crate) fn fail(&self, line: &str, fault: Fault) {
        self.desk.faults.lock().unwrap().push_back((line.to_owned(), fault));
    }

    /// Requests whose verb and path begin so.
    pub(crate) fn calls(&self, line: &str) -> Vec<Request> {
        let calls = self.desk.calls.lock().unwrap();
        calls.iter().filter(|call| call.line().starts_with(line)).cloned().collect()
    }
}

impl Desk {
    fn fault(&self, line: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let index = faults.iter().position(|(prefix, _)| line.starts_with(prefix.as_str()))?;
        faults.remove(index).map(|(_, fault)| fault)
    }

    async fn serve(&self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            self.calls.lock().unwrap().push(request.clone());
            let fault = self.fault(&request.line());
            if let Some(Fault::Refuse(status)) = fault {
                write(&mut stream, status, "{}", 2).await;
                continue;
            }
            let (status, answer) = (self.handler)(&request);
            let body = answer.to_string();
            match fault {
                None | Some(Fault::Refuse(_)) => write(&mut stream, status, &body, body.len()).await,
                Some(Fault::DoneThen(status)) => write(&mut stream, status, "{}", 2).await,
                Some(Fault::DoneThenCut) => return,
                Some(Fault::DoneThenCutShort) => return write(&mut stream, status, &body[..4], body.len()).await,
                Some(Fault::DoneThenSlow) => {
                    tokio::time::sleep(Duration::from_millis(TIMEOUT_MS * 2)).await;
                    write(&mut stream, status, &body, body.len()).await;
                }
                Some(Fault::DoneThenGarbled) => write(&mut stream, status, "<html>", 6).await,
                Some(Fault::DoneThenEndless) => {
                    let body = format!("{{\"id\":\"{}\"}}", "a".repeat(400 * 1_024));
                    write(&mut stream, status, &body, body.len()).await;
                }
            }
        }
    }
}

async fn write(stream: &mut TcpStream, status: u16, body: &str, length: usize) {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    // Nobody may be there any more.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk).await.ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    };
    let head = String::from_utf8(bytes[..head_len].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes.split_off(head_len);
    let mut rest = vec![0; length - body.len()];
    stream.read_exact(&mut rest).await.ok()?;
    body.extend_from_slice(&rest);
    Some(Request { method, path, headers, body: String::from_utf8(body).unwrap() })
}

pub(crate) fn install_tls() {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// Where nobody listens.
pub(crate) async fn closed_port() -> String {
    install_tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) fn money(value: &str, currency: &str) -> Money {
    let decimals = if currency == "EUR" { 2 } else { 0 };
    Money { value: value.parse().unwrap(), currency: currency.to_owned(), decimals }
}

pub(crate) fn order(value: &str, currency: &str) -> Order {
    Order {
        reference: Uuid::now_v7(),
        amount: money(value, currency),
        description: "Shop of Itsandra, order 7".to_owned(),
        payer: Payer::default(),
        returns: None,
        callback_url: None,
        locale: None,
        on_behalf: None,
    }
}

/// The handle of an order, with the gateway's id if it is known.
pub(crate) fn handle(order: &Order, gateway_id: Option<&str>) -> Handle {
    Handle {
        reference: order.reference,
        gateway_id: gateway_id.map(str::to_owned),
        amount: order.amount.clone(),
        asked_at: Utc::now(),
        account: None,
    }
}

pub(crate) fn refund(amount: Money) -> Refund {
    Refund { reference: Uuid::now_v7(), amount, fee: 0.into(), reason: None, asked_at: Utc::now() }
}

/// A callback that comes now.
pub(crate) fn callback<'a>(headers: &'a [(String, String)], query: &'a str, body: &'a str) -> Callback<'a> {
    callback_at(Utc::now(), headers, query, body)
}

pub(crate) fn callback_at<'a>(
    at: DateTime<Utc>,
    headers: &'a [(String, String)],
    query: &'a str,
    body: &'a str,
) -> Callback<'a> {
    Callback { headers, query, body: body.as_bytes(), at }
}

/// Looks, and asks again only if the gateway certainly has nothing: what a careful caller does after a lost answer.
pub(crate) async fn look_then_repeat(gateway: &dyn Gateway, order: &Order) -> gateways::Payment {
    match gateway.look_up(&handle(order, None)).await.unwrap() {
        Some(payment) => payment,
        None => gateway.open(order).await.unwrap(),
    }
}
