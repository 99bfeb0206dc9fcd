//! A Stripe on a socket of its own: idempotency keys as the real one has them, and faults on command.

mod ledger;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) use ledger::Ledger;

/// A request as it came, its form and its query as pairs such as `metadata[reference]`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is not carried out, and this is answered.
    Refuse(u16, Value),
    /// It is carried out, and the connection is cut.
    Cut,
    /// It is carried out, and this is answered instead of what it should be.
    Instead(u16, &'static str),
    /// It is carried out, and answered later.
    Slow(Duration),
}

struct Kept {
    path: String,
    form: BTreeMap<String, String>,
    answer: (u16, Value),
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) calls: Vec<Call>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) ledger: Ledger,
    /// What the next look is answered.
    pub(crate) look_fault: Option<u16>,
    keys: BTreeMap<String, Kept>,
    under_way: BTreeSet<String>,
}

/// It listens until it is dropped.
pub(crate) struct FakeStripe {
    pub(crate) address: SocketAddr,
    books: Arc<Mutex<Books>>,
    task: JoinHandle<()>,
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeStripe {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::<Mutex<Books>>::default();
        let desk = Arc::clone(&books);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let desk = Arc::clone(&desk);
                let service = service_fn(move |request| serve(Arc::clone(&desk), request));
                // A cut connection is an error here, and meant to be.
                tokio::spawn(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await)
                });
            }
        });
        Self { address, books, task }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// The next call that changes something goes wrong.
    pub(crate) fn fail(&self, fault: Fault) {
        self.books().faults.push_back(fault);
    }

    pub(crate) fn last_call(&self) -> Call {
        self.books().calls.last().unwrap().clone()
    }

    /// The last call of this kind, such as `POST /v1/refunds`.
    pub(crate) fn call(&self, line: &str) -> Call {
        let books = self.books();
        let call = books.calls.iter().rev().find(|call| format!("{} {}", call.method, call.path) == line);
        call.unwrap_or_else(|| panic!("no {line} among {:#?}", books.calls)).clone()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

async fn serve(books: Arc<Mutex<Books>>, request: Request<Incoming>) -> Result<Response<String>, Cut> {
    let call = read(request).await;
    let key = call.header("idempotency-key").map(ToOwned::to_owned);
    let (fault, answer) = {
        let mut books = books.lock().unwrap();
        books.calls.push(call.clone());
        let fault = if call.method == "POST" { books.faults.pop_front() } else { None };
        let look_fault = if call.method == "GET" { books.look_fault.take() } else { None };
        let answer = match (&fault, look_fault) {
            (Some(Fault::Refuse(status, body)), _) => (*status, body.clone()),
            (_, Some(status)) => ledger::error(status, "api_error", None, "No."),
            _ => books.answer(&call, key.as_deref()),
        };
        if let (Some(Fault::Slow(_)), Some(key)) = (&fault, &key) {
            books.under_way.insert(key.clone());
        }
        (fault, answer)
    };
    match fault {
        Some(Fault::Cut) => return Err(Cut),
        Some(Fault::Instead(status, body)) => {
            let mut desk = books.lock().unwrap();
            // An answer that Stripe itself has made is what it remembers under the key; one that was spoilt is not.
            if status == 500
                && let Some(kept) = key.as_ref().and_then(|key| desk.keys.get_mut(key))
            {
                kept.answer = (status, serde_json::from_str(body).unwrap());
            }
            return Ok(Response::builder().status(status).body(body.to_owned()).unwrap());
        }
        Some(Fault::Slow(pause)) => {
            let books = Arc::clone(&books);
            // Whoever has asked may be gone by then.
            let done = tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                books.lock().unwrap().under_way.remove(&key.unwrap_or_default());
            });
            done.await.unwrap();
        }
        _ => {}
    }
    Ok(Response::builder().status(answer.0).body(answer.1.to_string()).unwrap())
}

impl Books {
    fn answer(&mut self, call: &Call, key: Option<&str>) -> (u16, Value) {
        if call.header("authorization") != Some("Bearer sk_test_fake") {
            return ledger::error(401, "invalid_request_error", None, "Invalid API Key provided: sk_test_****");
        }
        let Some(key) = key else { return self.ledger.carry_out(call) };
        if self.under_way.contains(key) {
            return ledger::error(409, "idempotency_error", Some("idempotency_key_in_use"), "In progress.");
        }
        if let Some(kept) = self.keys.get(key) {
            if kept.path != call.path || kept.form != call.form {
                let message = "Keys for idempotent requests can only be used with the same parameters.";
                return ledger::error(400, "idempotency_error", None, message);
            }
            return kept.answer.clone();
        }
        let answer = self.ledger.carry_out(call);
        let kept = Kept { path: call.path.clone(), form: call.form.clone(), answer: answer.clone() };
        self.keys.insert(key.to_owned(), kept);
        answer
    }
}

async fn read(request: Request<Incoming>) -> Call {
    let (parts, body) = request.into_parts();
    let mut bytes = Vec::new();
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let pairs = url::form_urlencoded::parse(query).chain(url::form_urlencoded::parse(&bytes));
    let form = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let header = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
    Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        form,
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), header(value))).collect(),
        body: bytes,
    }
}

/// What a bank says.
pub(crate) fn card_declined() -> Fault {
    let error = json!({
        "code": "card_declined", "decline_code": "insufficient_funds", "type": "card_error",
        "message": "Your card has insufficient funds.",
    });
    Fault::Refuse(402, json!({ "error": error }))
}
