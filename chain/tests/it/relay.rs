//! A JSON-RPC endpoint that passes calls on to a node, and misbehaves where a test wants it to.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use poem::{
    EndpointExt, IntoResponse, Response, Route, Server,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
    web::Data,
};
use serde_json::{Value, json};

/// What becomes of a call.
pub(crate) enum Turn {
    Pass,
    /// Answered with this result, without asking the node.
    Result(Value),
    /// Answered with this error, without asking the node.
    Error(i64, &'static str),
    /// Passed on, and answered with this error all the same.
    PassThenError(i64, &'static str),
    /// The whole request is answered with an HTTP status.
    Status(u16),
    /// The whole request is answered with 429 and so many seconds to wait.
    Throttle(u32),
    /// Passed on after a while.
    Late(Duration),
    /// Passed on, and its result changed.
    Change(fn(&mut Value)),
    /// Passed on, and its result looked at or changed with what the test knows.
    Edit(Box<dyn FnOnce(&mut Value) + Send>),
    /// Passed on with other parameters, and its result changed.
    Instead(Value, fn(&mut Value)),
    /// Never passed on and never answered.
    Hang,
    /// Passed on and never answered.
    PassThenHang,
}

/// How an endpoint says that it takes no batches, or none so large.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// One JSON-RPC error in place of the answers.
    Error(i64, &'static str),
    /// An HTTP status without JSON.
    Status(u16),
}

type Hook = Box<dyn FnMut(&str, &Value) -> Turn + Send>;

#[derive(Clone)]
struct Shared {
    node: String,
    client: reqwest::Client,
    hook: Arc<Mutex<Hook>>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    /// Calls that it takes in one request, and what it says to more.
    batch: Arc<Mutex<Option<(usize, Refusal)>>>,
}

pub(crate) struct Relay {
    pub(crate) url: String,
    shared: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn new(node: &str) -> Self {
        let shared = Shared {
            node: node.to_owned(),
            client: reqwest::Client::new(),
            hook: Arc::new(Mutex::new(Box::new(|_, _| Turn::Pass))),
            seen: Arc::default(),
            batch: Arc::default(),
        };
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
        let address = acceptor.local_addr()[0].clone();
        let url = format!("http://{}", address.as_socket_addr().expect("an address"));
        let app = Route::new().at("/", poem::post(receive)).data(shared.clone());
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(app).await;
        });
        Self { url, shared, task }
    }

    /// From now on each call is decided by this.
    pub(crate) fn hook(&self, hook: impl FnMut(&str, &Value) -> Turn + Send + 'static) {
        *self.shared.hook.lock().expect("not poisoned") = Box::new(hook);
    }

    /// From now on requests of more calls than this are refused.
    pub(crate) fn refuse_batches(&self, above: usize, refusal: Refusal) {
        *self.shared.batch.lock().expect("not poisoned") = Some((above, refusal));
    }

    /// How many calls came so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.seen.lock().expect("not poisoned").len()
    }

    /// The parameters of all calls of a method so far.
    pub(crate) fn seen(&self, method: &str) -> Vec<Value> {
        let seen = self.shared.seen.lock().expect("not poisoned");
        seen.iter().filter(|(of, _)| of == method).map(|(_, params)| params.clone()).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[poem::handler]
async fn receive(Data(shared): Data<&Shared>, body: poem::web::Json<Value>) -> Response {
    let (calls, single) = match body.0 {
        Value::Array(calls) => (calls, false),
        call => (vec![call], true),
    };
    let refusal = *shared.batch.lock().expect("not poisoned");
    match refusal {
        Some((above, Refusal::Error(code, message))) if calls.len() > above => {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
            return poem::web::Json(error).into_response();
        }
        Some((above, Refusal::Status(status))) if calls.len() > above => {
            return StatusCode::from_u16(status).expect("a status").into_response();
        }
        Some(_) | None => {}
    }
    let mut answers = Vec::new();
    for call in calls {
        let (method, params) = (call["method"].as_str().unwrap_or_default().to_owned(), call["params"].clone());
        shared.seen.lock().expect("not poisoned").push((method.clone(), params.clone()));
        let turn = (shared.hook.lock().expect("not poisoned"))(&method, &params);
        let id = call["id"].clone();
        let error =
            |code: i64, message: &str| json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
        answers.push(match turn {
            Turn::Pass => pass(shared, &call).await,
            Turn::Result(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Turn::Error(code, message) => error(code, message),
            Turn::PassThenError(code, message) => {
                pass(shared, &call).await;
                error(code, message)
            }
            Turn::Late(pause) => {
                tokio::time::sleep(pause).await;
                pass(shared, &call).await
            }
            Turn::Change(change) => {
                let mut answer = pass(shared, &call).await;
                change(&mut answer["result"]);
                answer
            }
            Turn::Instead(params, change) => {
                let mut call = call.clone();
                call["params"] = params;
                let mut answer = pass(shared, &call).await;
                change(&mut answer["result"]);
                answer
            }
            Turn::Edit(edit) => {
                let mut answer = pass(shared, &call).await;
                edit(&mut answer["result"]);
                answer
            }
            Turn::PassThenHang => {
                pass(shared, &call).await;
                std::future::pending().await
            }
            Turn::Hang => std::future::pending().await,
            Turn::Throttle(seconds) => {
                return StatusCode::TOO_MANY_REQUESTS.with_header("retry-after", seconds.to_string()).into_response();
            }
            Turn::Status(status) => {
                return StatusCode::from_u16(status).expect("a status").into_response();
            }
        });
    }
    let answer = if single { answers.remove(0) } else { Value::Array(answers) };
    poem::web::Json(answer).into_response()
}

async fn pass(shared: &Shared, call: &Value) -> Value {
    let answer = shared.client.post(&shared.node).json(call).send().await.expect("the node answers");
    answer.json().await.expect("JSON")
}
