//! JSON-RPC errors, with geth's codes.

use alloy::primitives::Bytes;
use serde_json::{Value, json};

use crate::pool::Refusal;

/// An error as it goes to the client.
#[derive(Debug)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

impl RpcError {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The request is no JSON.
    pub(crate) fn parse() -> Self {
        Self::new(-32700, "parse error")
    }

    /// The request is no JSON-RPC.
    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(-32600, message)
    }

    /// There is no such method.
    pub(crate) fn no_method(method: &str) -> Self {
        Self::new(-32601, format!("the method {method} does not exist/is not available"))
    }

    /// A parameter is missing or wrong.
    pub(crate) fn params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    /// The call cannot be carried out.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new(-32000, message)
    }

    /// The call asks for too much.
    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(-32005, message)
    }

    /// The contract reverted.
    pub(crate) fn reverted(message: String, output: &Bytes) -> Self {
        Self { code: 3, message, data: Some(json!(output)) }
    }
}

impl From<Refusal> for RpcError {
    fn from(refusal: Refusal) -> Self {
        Self::server(refusal.to_string())
    }
}

/// What fails inside is the disk; the client learns that, and the operator what.
impl From<anyhow::Error> for RpcError {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "a call failed");
        Self::new(-32603, format!("internal error: {error}"))
    }
}

impl From<serde_json::Error> for RpcError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(-32603, format!("internal error: {error}"))
    }
}
