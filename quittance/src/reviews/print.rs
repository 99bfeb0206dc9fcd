//! Answers as lines for people.

use std::fmt::Write;

use serde_json::Value;

use crate::operator::terminal::{clean, json, text};

fn rows<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn list(page: &Value) -> String {
    let items = rows(page, "items");
    if items.is_empty() {
        return "None.".to_owned();
    }
    let mut lines: Vec<String> = items.iter().map(line).collect();
    if page["total"].as_u64().is_some_and(|total| total > items.len() as u64) {
        lines.push(format!("Page {}, {} in all.", text(page, "page"), text(page, "total")));
    }
    lines.join("\n")
}

fn line(payment: &Value) -> String {
    format!(
        "{}  {}  {}  {}  node {}",
        text(payment, "id"),
        text(payment, "updated_at"),
        text(payment, "status"),
        text(payment, "external_id"),
        text(payment, "node_id"),
    )
}

pub(super) fn resolved(payment: &Value) -> String {
    format!("Payment {} is {}.", text(payment, "id"), text(payment, "status"))
}

pub(super) fn review(review: &Value) -> String {
    let mut output = String::new();
    let before = review["before"].as_str().map(|before| format!(", was {} before", clean(before))).unwrap_or_default();
    // Writing into a String cannot fail.
    let _ = writeln!(
        output,
        "Payment {} ({}) is {} since {}{before}.",
        text(review, "payment_id"),
        text(review, "external_id"),
        text(review, "status"),
        text(review, "since"),
    );
    if !review["cause"].is_null() {
        let _ = writeln!(output, "\nBecause: {}", entry(&review["cause"]));
    }
    let _ = writeln!(output, "\nIts rail: {}.", text(review, "shown_text"));
    if let Some(lost) = review["lost"].as_str() {
        let _ = writeln!(output, "Had been final and is gone: {}.", clean(lost));
    }
    let noted = rows(review, "noted");
    if !noted.is_empty() {
        let _ = writeln!(output, "\nNoted since, newest first:");
        for row in noted {
            let _ = writeln!(output, "- {}", entry(row));
        }
    }
    let verdicts = rows(review, "verdicts");
    if verdicts.is_empty() {
        output.push_str("\nIt waits for no verdict.");
        return output;
    }
    output.push_str("\nVerdicts that this allows:");
    for verdict in verdicts {
        let _ = write!(output, "\n  --as {:<10} {}", text(verdict, "as"), text(verdict, "means"));
    }
    output
}

/// A log row with its details, one a line.
fn entry(row: &Value) -> String {
    let mut output = format!("{} (at {}, {})", text(row, "message"), text(row, "created_at"), text(row, "event_type"));
    for (name, value) in row["data"].as_object().into_iter().flatten() {
        let _ = match value {
            Value::String(text) => write!(output, "\n    {}: {}", clean(name), clean(text)),
            Value::Null => Ok(()),
            Value::Array(_) | Value::Object(_) => {
                write!(output, "\n    {}: {}", clean(name), json(value).replace('\n', "\n    "))
            }
            plain @ (Value::Bool(_) | Value::Number(_)) => write!(output, "\n    {}: {plain}", clean(name)),
        };
    }
    output
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_review_names_the_evidence_and_the_verdicts() {
        let output = review(&json!({
            "payment_id": "p", "external_id": "order", "status": "needs_review", "since": "now", "before": "paid",
            "shown_text": "Its deal is open", "lost": "DealDeposited", "noted": [],
            "cause": {
                "message": "It is gone", "created_at": "then", "event_type": "payment.needs_review",
                "data": { "lost": "DealDeposited", "attempts": [{ "hash": "0xa" }] },
            },
            "verdicts": [{ "as": "open", "means": "The payer may pay." }],
        }));
        for part in ["was paid before", "Because: It is gone", "0xa", "gone: DealDeposited", "--as open"] {
            assert!(output.contains(part), "{part} is missing in\n{output}");
        }
    }
}
