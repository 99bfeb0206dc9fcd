//! Reads what comes back for a call or a batch of calls.

use alloy::primitives::Bytes;
use serde_json::Value;

use super::{Answer, Fault};
use crate::classify::{Class, classify};

/// What nodes of networks with empty heights say of those: there is no block, which is no failure.
const NULL_ROUND: &str = "null round";

/// Characters of an error text that are kept.
pub(crate) const TEXT_MAX: usize = 500;

/// A text of somebody else's, as it can be kept: PostgreSQL stores no U+0000, and nobody needs a megabyte of reasons.
pub(crate) fn foreign_text(text: &str, max: usize) -> String {
    text.chars().filter(|character| *character != '\0').take(max).collect()
}

/// Whether it is, or holds, a JSON-RPC error.
pub(crate) fn has_error(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_error),
        value => value.get("error").is_some(),
    }
}

/// Puts the answers into the order of the calls. One error for a whole batch is every call's error.
pub(crate) fn answers_of(value: Value, count: usize) -> Vec<Answer> {
    let missing = || Err(Fault::Lost("the batch's answer lacks this call".to_owned()));
    let mut answers: Vec<Answer> = (0..count).map(|_| missing()).collect();
    match value {
        Value::Array(items) => {
            for mut item in items {
                let id = item.get("id").and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok());
                if let Some(answer) = id.and_then(|id| answers.get_mut(id)) {
                    *answer = answer_of(&mut item);
                }
            }
        }
        mut single => answers.fill(answer_of(&mut single)),
    }
    answers
}

/// Whether this answer to a call of a batch may be about the batch: the endpoint takes none, or none of that size.
pub(super) fn refuses_batches(answer: &Answer) -> bool {
    match answer {
        Err(Fault::Http { status, .. }) => matches!(status, 400 | 405 | 413 | 415 | 422 | 501),
        Err(Fault::Node { code, message, .. }) => {
            matches!(code, -32_700 | -32_602..=-32_600) || message.to_lowercase().contains("batch")
        }
        Ok(_) | Err(Fault::NotSent(_) | Fault::Lost(_)) => false,
    }
}

/// Whether the endpoint asks for patience.
pub(super) fn asks_for_patience(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|fault| matches!(classify(fault), Class::Throttled(_)))
}

fn answer_of(item: &mut Value) -> Answer {
    if let Some(error) = item.get("error").filter(|error| !error.is_null()) {
        let message = error.get("message").and_then(Value::as_str).unwrap_or("no message");
        if message.contains(NULL_ROUND) {
            return Ok(Value::Null);
        }
        return Err(Fault::Node {
            code: error.get("code").and_then(Value::as_i64).unwrap_or(0),
            message: foreign_text(message, TEXT_MAX),
            data: error.get("data").and_then(revert_data),
        });
    }
    match item.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(Fault::Lost("the answer has neither result nor error".to_owned())),
    }
}

/// Most nodes give the revert's data as a string, some one level deeper.
fn revert_data(data: &Value) -> Option<Bytes> {
    let text = data.as_str().or_else(|| data.get("data").and_then(Value::as_str))?;
    let digits = text.rfind("0x").map_or(text, |start| &text[start..]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lost(answer: &Answer) -> bool {
        matches!(answer, Err(Fault::Lost(_)))
    }

    #[test]
    fn answers_stand_in_the_order_of_the_calls() {
        let value = json!([{"id": 2, "result": "c"}, {"id": 0, "result": "a"}, {"id": 9, "result": "?"}, {"id": "1"}]);
        let answers = answers_of(value, 3);
        assert_eq!((&answers[0], &answers[2]), (&Ok(json!("a")), &Ok(json!("c"))));
        assert!(lost(&answers[1]), "a call without an answer may have been executed");
    }

    #[test]
    fn one_error_for_a_batch_is_everybodys() {
        let value = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "too many"}});
        let answers = answers_of(value, 2);
        let fault = Fault::Node { code: -32_600, message: "too many".to_owned(), data: None };
        assert_eq!(answers, [Err(fault.clone()), Err(fault)]);
    }

    #[test]
    fn an_empty_height_is_no_block_and_no_failure() {
        let error = json!({"code": 12, "message": "requested epoch was a null round (42)"});
        assert_eq!(answers_of(json!({"id": 0, "error": error}), 1), [Ok(Value::Null)]);
    }

    #[test]
    fn nonsense_is_no_answer() {
        for value in [json!({}), json!(7), json!(null), json!({"id": 0, "error": null})] {
            assert!(lost(&answers_of(value, 1)[0]));
        }
        // A null result is a result: there is no such block, no such receipt.
        assert_eq!(answers_of(json!({"id": 0, "result": null}), 1), [Ok(Value::Null)]);
    }

    #[test]
    fn revert_data_is_found_where_nodes_put_it() {
        let data = Some(Bytes::from_static(&[0xab, 0xcd]));
        for value in [json!("0xabcd"), json!({"data": "0xabcd"}), json!("Reverted 0xabcd")] {
            let answer = answers_of(json!({"id": 0, "error": {"code": 3, "message": "reverted", "data": value}}), 1);
            let fault = Fault::Node { code: 3, message: "reverted".to_owned(), data: data.clone() };
            assert_eq!(answer, [Err(fault)]);
        }
    }
}
