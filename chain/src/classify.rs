//! What a failed call means for a transaction: one pure function over the node's words.
//!
//! The order of the checks matters: a revert's text may quote any other phrase, so reverts come first; and what nobody
//! has seen before counts as possibly sent.

use std::time::Duration;

use alloy::primitives::Bytes;

use crate::rpc::Fault;

/// What to do about a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// No byte left: send the same bytes elsewhere.
    NotSent,
    /// The transaction may exist: keep its nonce and hash, look, send the same bytes again.
    Unknown,
    /// The endpoint asks for patience.
    Throttled(Option<Duration>),
    /// The endpoint does not serve us: use another one and tell the operator.
    Endpoint,
    /// The node has it already.
    Known,
    /// The nonce is used, by one of ours or by a stranger: look at all receipts of the nonce.
    NonceTooLow,
    /// A predecessor is missing there: wait for it and send again.
    NonceTooHigh,
    /// Another attempt of the nonce is in the pool: raise the fees further, or wait.
    ReplacementUnderpriced,
    /// Too cheap to be taken at all: price it anew.
    Underpriced,
    /// The signer cannot pay for it: its lane pauses.
    InsufficientFunds,
    /// The call itself fails; the data says why.
    Reverted(Option<Bytes>),
    /// The pool has no room, for us or at all: fewer in flight.
    PoolFull,
    /// These bytes will never be taken.
    Rejected,
    /// The request is malformed: our mistake.
    Malformed,
}

pub(crate) fn classify(fault: &Fault) -> Class {
    match fault {
        Fault::NotSent(_) => Class::NotSent,
        Fault::Lost(_) => Class::Unknown,
        Fault::Http { status, retry_after, .. } => of_status(*status, *retry_after),
        Fault::Node { code, message, data } => of_node(*code, &message.to_lowercase(), data.as_ref()),
    }
}

fn of_status(status: u16, retry_after: Option<Duration>) -> Class {
    match status {
        408 | 425 | 429 => Class::Throttled(retry_after),
        401 | 403 | 404 | 405 | 410 => Class::Endpoint,
        400 | 413 | 415 | 501 | 505 => Class::Malformed,
        // A gateway that gave up may have passed the request on.
        _ => Class::Unknown,
    }
}

fn of_node(code: i64, message: &str, data: Option<&Bytes>) -> Class {
    if let Some(class) = of_text(message, data) {
        return class;
    }
    match code {
        // JSON-RPC over WebSocket and HTTP gateways: limit exceeded.
        -32005 | 429 => Class::Throttled(None),
        // The method's or the request's fault; nothing was executed.
        -32700 | -32602..=-32600 => Class::Malformed,
        _ => Class::Unknown,
    }
}

/// A phrase, and what it stands for. The first match counts.
const PHRASES: &[(&str, Class)] = &[
    ("already known", Class::Known),
    ("alreadyknown", Class::Known),
    ("known transaction", Class::Known),
    ("already imported", Class::Known),
    ("already exists in the pool", Class::Known),
    ("transaction already in mempool", Class::Known),
    ("nonce too low", Class::NonceTooLow),
    ("oldnonce", Class::NonceTooLow),
    ("old nonce", Class::NonceTooLow),
    ("nonce is too low", Class::NonceTooLow),
    ("nonce has already been used", Class::NonceTooLow),
    ("invalid nonce; got", Class::NonceTooLow),
    ("nonce too high", Class::NonceTooHigh),
    ("nonce is too high", Class::NonceTooHigh),
    ("nonce gap", Class::NonceTooHigh),
    ("exceeds next nonce", Class::NonceTooHigh),
    ("replacement transaction underpriced", Class::ReplacementUnderpriced),
    ("replacement underpriced", Class::ReplacementUnderpriced),
    ("replacement fee too low", Class::ReplacementUnderpriced),
    ("replacementnotallowed", Class::ReplacementUnderpriced),
    ("could not replace existing", Class::ReplacementUnderpriced),
    ("gas price too low to replace", Class::ReplacementUnderpriced),
    ("insufficient funds", Class::InsufficientFunds),
    ("insufficientfunds", Class::InsufficientFunds),
    ("insufficient balance for", Class::InsufficientFunds),
    ("overshot", Class::InsufficientFunds),
    ("underpriced", Class::Underpriced),
    ("fee too low", Class::Underpriced),
    ("feetoolow", Class::Underpriced),
    ("max fee per gas less than block base fee", Class::Underpriced),
    ("less than base fee", Class::Underpriced),
    ("lower than the current base fee", Class::Underpriced),
    ("fee cap less than block base fee", Class::Underpriced),
    ("gas price below", Class::Underpriced),
    ("gas price too low", Class::Underpriced),
    ("txpool is full", Class::PoolFull),
    ("transaction pool is full", Class::PoolFull),
    ("pool is full", Class::PoolFull),
    ("mempool is full", Class::PoolFull),
    ("account limit exceeded", Class::PoolFull),
    ("too many transactions from sender", Class::PoolFull),
    ("in-flight transaction limit", Class::PoolFull),
    ("gapped-nonce", Class::NonceTooHigh),
    ("intrinsic gas too", Class::Rejected),
    ("exceeds block gas limit", Class::Rejected),
    ("gas limit too high", Class::Rejected),
    ("gas limit exceeds", Class::Rejected),
    ("exceeds transaction gas limit", Class::Rejected),
    ("exceeds gas cap", Class::Rejected),
    ("gas required exceeds", Class::Rejected),
    ("oversized data", Class::Rejected),
    ("max initcode size exceeded", Class::Rejected),
    ("invalid signature", Class::Rejected),
    ("invalid sender", Class::Rejected),
    ("invalid chain id", Class::Rejected),
    ("wrong chain id", Class::Rejected),
    ("incompatible eip-155", Class::Rejected),
    ("transaction type not supported", Class::Rejected),
    ("rate limit", Class::Throttled(None)),
    ("too many requests", Class::Throttled(None)),
    ("request limit", Class::Throttled(None)),
];

const REVERTS: &[&str] =
    &["execution reverted", "vm exception", "transaction reverted", "invalid opcode", "out of gas"];

fn of_text(message: &str, data: Option<&Bytes>) -> Option<Class> {
    let reverted = REVERTS.iter().any(|phrase| message.contains(phrase)) || message.starts_with("revert");
    if reverted {
        return Some(Class::Reverted(data.cloned()));
    }
    // Says that the node does not have it, in words that hold the phrase for having it.
    if message.contains("unknown transaction") {
        return None;
    }
    PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map(|(_, class)| class.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(code: i64, message: &str) -> Class {
        classify(&Fault::Node { code, message: message.to_owned(), data: None })
    }

    #[test]
    fn faults_before_any_answer() {
        assert_eq!(classify(&Fault::NotSent("connection refused".into())), Class::NotSent);
        assert_eq!(classify(&Fault::Lost("connection reset".into())), Class::Unknown);
    }

    #[test]
    fn statuses() {
        let after = Some(Duration::from_secs(7));
        let http = |status| classify(&Fault::Http { status, retry_after: after, text: String::new() });
        for status in [408, 425, 429] {
            assert_eq!(http(status), Class::Throttled(after), "{status}");
        }
        for status in [401, 403, 404, 410] {
            assert_eq!(http(status), Class::Endpoint, "{status}");
        }
        for status in [400, 501, 505] {
            assert_eq!(http(status), Class::Malformed, "{status}");
        }
        for status in [500, 502, 503, 504, 520, 302] {
            assert_eq!(http(status), Class::Unknown, "{status}");
        }
    }

    #[test]
    fn words_of_nodes() {
        let table: &[(i64, &str, Class)] = &[
            (-32000, "already known", Class::Known),
            (-32000, "AlreadyKnown", Class::Known),
            (-32000, "known transaction: 0xabc", Class::Known),
            (-32010, "Transaction with the same hash was already imported.", Class::Known),
            (-32603, "transaction already imported", Class::Known),
            (-32000, "unknown transaction", Class::Unknown),
            (-32000, "nonce too low: next nonce 5, tx nonce 3", Class::NonceTooLow),
            (-32003, "nonce too low", Class::NonceTooLow),
            (-32000, "OldNonce, Current nonce: 5, nonce of rejected tx: 3", Class::NonceTooLow),
            (-32603, "nonce too low", Class::NonceTooLow),
            (-32000, "nonce too high", Class::NonceTooHigh),
            (-32000, "tx nonce 9 exceeds next nonce 5", Class::NonceTooHigh),
            (-32000, "replacement transaction underpriced", Class::ReplacementUnderpriced),
            (-32000, "transaction underpriced: gas tip cap 0, minimum needed 1", Class::Underpriced),
            (-32000, "max fee per gas less than block base fee: address 0x1", Class::Underpriced),
            (-32000, "insufficient funds for gas * price + value: balance 0", Class::InsufficientFunds),
            (-32003, "Insufficient funds for gas * price + value", Class::InsufficientFunds),
            (-32000, "txpool is full", Class::PoolFull),
            (-32000, "account limit exceeded: pool account limit", Class::PoolFull),
            (-32000, "intrinsic gas too low: have 21000, want 53000", Class::Rejected),
            (-32003, "intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap", Class::Rejected),
            (-32000, "exceeds block gas limit", Class::Rejected),
            (-32000, "gas required exceeds allowance (16777216)", Class::Rejected),
            (-32000, "oversized data: transaction size 200000, limit 131072", Class::Rejected),
            (-32000, "invalid sender", Class::Rejected),
            (-32005, "daily request count exceeded", Class::Throttled(None)),
            (429, "slow down", Class::Throttled(None)),
            (-32000, "project ID request rate exceeded: rate limit", Class::Throttled(None)),
            (-32600, "invalid request", Class::Malformed),
            (-32602, "invalid argument 0: hex string", Class::Malformed),
            (-32700, "parse error", Class::Malformed),
            (-32603, "internal error", Class::Unknown),
            (-32002, "request timed out", Class::Unknown),
            (-31999, "the moon is in the wrong phase", Class::Unknown),
        ];
        for (code, message, class) in table {
            assert_eq!(&node(*code, message), class, "{code} {message}");
        }
    }

    #[test]
    fn a_revert_may_quote_anything() {
        let data = Some(Bytes::from_static(&[1, 2, 3, 4]));
        let fault = Fault::Node {
            code: 3,
            message: "execution reverted: nonce too low, already known".to_owned(),
            data: data.clone(),
        };
        assert_eq!(classify(&fault), Class::Reverted(data));
    }
}
