//! A webhook consumer with moods, that verifies as consumers do: with the published library.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    Healthy,
    /// 500 to every other request.
    EveryOther,
    /// 503 for so long after its first request.
    DownFor(Duration),
}

/// What it knows of an event.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedEvent {
    /// Its payment with its number there, for events that are about one.
    pub(crate) payment: Option<(Uuid, i32)>,
    /// The dead letter that it tells of.
    pub(crate) letter: Option<Uuid>,
    /// How many different bodies it came with.
    pub(crate) bodies: usize,
}

#[derive(Default)]
struct Book {
    verifier: Option<Webhook>,
    requests: usize,
    refused: usize,
    forged: usize,
    bodies: BTreeMap<Uuid, BTreeSet<Vec<u8>>>,
    accepted: BTreeMap<Uuid, ReceivedEvent>,
    first_request: Option<Instant>,
}

/// Ends with the test's runtime.
pub(crate) struct Consumer {
    port: u16,
    book: Arc<Mutex<Book>>,
}

impl Consumer {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, book) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Book>>::default());
        let shared = Arc::clone(&book);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, mood, Arc::clone(&shared)));
            }
        });
        Self { port, book }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    /// Its secret, as the API has shown it.
    pub(crate) fn know(&self, secret: &str) {
        self.book().verifier = Some(Webhook::new(secret).unwrap());
    }

    /// The events that it has answered with 2xx.
    pub(crate) fn accepted(&self) -> BTreeMap<Uuid, ReceivedEvent> {
        self.book().accepted.clone()
    }

    /// Those of them that are about payments: payment and number, by id.
    pub(crate) fn payments(&self) -> BTreeMap<Uuid, (Uuid, i32)> {
        self.book().accepted.iter().filter_map(|(id, delivered)| Some((*id, delivered.payment?))).collect()
    }

    pub(crate) fn refused(&self) -> usize {
        self.book().refused
    }

    pub(crate) fn forged(&self) -> usize {
        self.book().forged
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

impl Book {
    /// The status that it answers with.
    fn take(&mut self, mood: Mood, headers: &HeaderMap, body: Vec<u8>) -> u16 {
        self.requests += 1;
        let first = *self.first_request.get_or_insert_with(Instant::now);
        let valid = self.verifier.as_ref().is_some_and(|verifier| verifier.verify(&body, headers).is_ok());
        if !valid {
            self.forged += 1;
            return 401;
        }
        let event: Value = serde_json::from_slice(&body).unwrap();
        let id: Uuid = event["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(headers["webhook-id"], id.to_string());
        let bodies = self.bodies.entry(id).or_default();
        bodies.insert(body);
        let count = bodies.len();
        let refuses = match mood {
            Mood::Healthy => None,
            Mood::EveryOther => self.requests.is_multiple_of(2).then_some(500),
            Mood::DownFor(down) => (first.elapsed() < down).then_some(503),
        };
        if let Some(status) = refuses {
            self.refused += 1;
            return status;
        }
        let named = |name: &Value| name.as_str().map(|id| id.parse().unwrap());
        let payment = named(&event["data"]["payment"]["id"])
            .map(|id| (id, i32::try_from(event["sequence"].as_i64().unwrap()).unwrap()));
        let letter = named(&event["data"]["dead_letter_id"]);
        self.accepted.insert(id, ReceivedEvent { payment, letter, bodies: count });
        200
    }
}

/// One connection, with as many requests as come.
async fn serve(stream: TcpStream, mood: Mood, book: Arc<Mutex<Book>>) {
    let mut stream = BufReader::new(stream);
    while let Some((headers, body)) = request(&mut stream).await {
        let status = book.lock().unwrap().take(mood, &headers, body);
        let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request; none when the other side has gone.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(HeaderMap, Vec<u8>)> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let length = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((headers, body))
}
