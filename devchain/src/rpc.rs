//! JSON-RPC 2.0: requests, batches, and who answers which method.

mod accounts;
mod blocks;
mod development;
mod error;
mod fees;
mod filters;
mod logs;
mod methods;
mod params;
mod simulation;
mod transactions;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{Fault, node::Node};
pub(crate) use error::RpcError;
pub(crate) use filters::Filters;
pub(crate) use params::Params;

/// The most calls in one batch.
const BATCH_MAX: usize = 1000;

/// Why a request gets no JSON-RPC answer: a fault that was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection breaks.
    Lost,
    /// A bare HTTP status.
    Status(u16),
}

/// Answers a request. Execution may take long, so it never runs on the threads that serve connections.
pub(crate) async fn answer(node: &Arc<Node>, request: Vec<u8>) -> Result<Vec<u8>, NoAnswer> {
    let node = Arc::clone(node);
    let work = tokio::task::spawn_blocking(move || {
        let mut exchange = Exchange { node: &node, delay: Duration::ZERO, no_answer: None };
        let answer = exchange.answer(&request);
        (answer, exchange.delay, exchange.no_answer)
    });
    // Fails only when the runtime is going down.
    let Ok((answer, delay, no_answer)) = work.await else { return Err(NoAnswer::Lost) };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match no_answer {
        Some(no_answer) => Err(no_answer),
        None => Ok(answer.map(|answer| answer.to_string().into_bytes()).unwrap_or_default()),
    }
}

/// A request on its way, with what the armed faults do to it.
struct Exchange<'a> {
    node: &'a Node,
    delay: Duration,
    no_answer: Option<NoAnswer>,
}

impl Exchange<'_> {
    fn answer(&mut self, request: &[u8]) -> Option<Value> {
        match serde_json::from_slice(request) {
            Ok(Value::Array(calls)) if calls.is_empty() => {
                Some(failure(&Value::Null, RpcError::invalid("empty batch")))
            }
            Ok(Value::Array(calls)) if calls.len() > BATCH_MAX => {
                Some(failure(&Value::Null, RpcError::invalid("batch too large")))
            }
            Ok(Value::Array(calls)) => {
                let answers: Vec<Value> = calls.into_iter().filter_map(|call| self.single(call)).collect();
                (!answers.is_empty()).then_some(Value::Array(answers))
            }
            Ok(call) => self.single(call),
            Err(_) => Some(failure(&Value::Null, RpcError::parse())),
        }
    }

    /// Answers one call; a notification is executed, but not answered.
    fn single(&mut self, mut call: Value) -> Option<Value> {
        let id = call.get("id").cloned();
        let valid_id = matches!(id, None | Some(Value::Null | Value::Number(_) | Value::String(_)));
        let (true, Some("2.0"), Some(method)) =
            (valid_id, call.get("jsonrpc").and_then(Value::as_str), call.get("method").and_then(Value::as_str))
        else {
            let id = if valid_id { id.unwrap_or_default() } else { Value::Null };
            return Some(failure(&id, RpcError::invalid("invalid request")));
        };
        let method = method.to_owned();
        let params = call.get_mut("params").map(Value::take);
        let answer = Params::new(params).and_then(|params| self.call(&method, &params));
        let id = id?;
        Some(match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => failure(&id, error),
        })
    }

    fn call(&mut self, method: &str, params: &Params) -> Result<Value, RpcError> {
        match self.node.faults.take(method) {
            None => return methods::call(self.node, method, params),
            Some(Fault::Delay(delay)) => self.delay += delay,
            Some(Fault::LoseAnswer) => self.no_answer = Some(NoAnswer::Lost),
            Some(Fault::LoseRequest) => {
                self.no_answer = Some(NoAnswer::Lost);
                return Ok(Value::Null);
            }
            Some(Fault::Status(status)) => {
                self.no_answer = Some(NoAnswer::Status(status));
                return Ok(Value::Null);
            }
            Some(Fault::Error { code, message }) => return Err(RpcError { code, message, data: None }),
        }
        methods::call(self.node, method, params)
    }
}

fn failure(id: &Value, error: RpcError) -> Value {
    let mut object = json!({ "code": error.code, "message": error.message });
    if let (Some(data), Some(object)) = (error.data, object.as_object_mut()) {
        object.insert("data".to_owned(), data);
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": object })
}

/// A number as JSON-RPC writes it.
fn quantity(number: impl std::fmt::LowerHex) -> Value {
    Value::String(format!("{number:#x}"))
}
