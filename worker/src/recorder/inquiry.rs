//! The evidence about an unknown outcome, as it stands in a payment's log.

use chain::{Inquiry, Kind, MinedIn, Said, SignedAttempt, Testimony};
use serde::Serialize;
use serde_json::{Value, json};

/// `attempts` in the order in which they were signed; the receipts of each testimony stand in the same order.
pub(super) fn evidence(kind: Kind, inquiry: Inquiry) -> Value {
    let Inquiry { since, signer, diamond, reference, attempts, testimonies } = inquiry;
    let providers: Vec<Value> = testimonies.into_iter().map(|testimony| testimony_json(&attempts, testimony)).collect();
    json!({
        "operation": kind.as_str(),
        "since": since,
        "signer": signer.to_checksum(None),
        "diamond_address": diamond.map(|diamond| diamond.to_checksum(None)),
        "reference": reference,
        "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(),
        "providers": providers,
    })
}

fn attempt(attempt: &SignedAttempt) -> Value {
    json!({
        "nonce": attempt.nonce,
        "attempt": attempt.kind.as_str(),
        "transaction_hash": attempt.hash,
        "signed_at": entities::rfc3339(attempt.signed_at),
        "broadcast_at": attempt.broadcast_at.map(entities::rfc3339),
        "provider": attempt.provider,
        "answer": attempt.answer,
        "fees": {
            "max_fee_per_gas_wei": attempt.max_fee_per_gas.to_string(),
            "max_priority_fee_per_gas_wei": attempt.max_priority_fee_per_gas.to_string(),
        },
    })
}

fn testimony_json(attempts: &[SignedAttempt], testimony: Testimony) -> Value {
    let Testimony { provider, block_number, nonce, receipts, deal } = testimony;
    let receipts: Vec<Value> = attempts
        .iter()
        .zip(receipts)
        .map(|(attempt, result)| {
            let mut receipt = json!({ "transaction_hash": attempt.hash });
            match result {
                Ok(Some(MinedIn { block_number, block_hash, success })) => {
                    receipt["mined"] =
                        json!({ "block_number": block_number, "block_hash": block_hash, "success": success });
                }
                Ok(None) => receipt["mined"] = Value::Null,
                Err(text) => receipt["error"] = json!(text),
            }
            receipt
        })
        .collect();
    json!({
        "provider": provider,
        "block_number": result_json(block_number),
        "nonce": result_json(nonce),
        "receipts": receipts,
        "deal": deal.map(result_json),
    })
}

/// `{"answer": …}` or `{"error": …}`.
fn result_json<T: Serialize>(result: Said<T>) -> Value {
    match result {
        Ok(answer) => json!({ "answer": answer }),
        Err(text) => json!({ "error": text }),
    }
}
