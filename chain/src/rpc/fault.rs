//! Why a call has no result. The difference between "not sent" and "lost" decides whether a transaction may exist.

use std::{fmt, time::Duration};

use alloy::primitives::Bytes;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No byte of the request left this machine.
    NotSent(String),
    /// The request may have arrived; no usable answer came back.
    Lost(String),
    /// The endpoint, or something before it, answered with an HTTP error.
    Http { status: u16, retry_after: Option<Duration>, text: String },
    /// The node's own answer.
    Node { code: i64, message: String, data: Option<Bytes> },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(text) => write!(f, "not sent: {text}"),
            Self::Lost(text) => write!(f, "no answer: {text}"),
            Self::Http { status, text, .. } => write!(f, "HTTP {status}: {text}"),
            Self::Node { code, message, .. } => write!(f, "{code}: {message}"),
        }
    }
}
