//! What is printed of signers.

use std::fmt::Write as _;

use serde_json::Value;

use crate::operator::terminal::{text, time};

/// One signer, a list of them, or how many an act was about.
pub(super) fn answer(answer: &Value) -> String {
    match &answer["items"] {
        Value::Array(signers) if signers.is_empty() => "No signers in reach.".to_owned(),
        Value::Array(signers) => signers.iter().map(signer).collect::<Vec<_>>().join("\n"),
        _ if answer["signers"].is_number() => format!("Signers: {}", text(answer, "signers")),
        _ => signer(answer),
    }
}

fn signer(signer: &Value) -> String {
    let mut lines = format!("{}  {}  node {}", text(signer, "address"), text(signer, "name"), text(signer, "node_id"));
    if !signer["paused_at"].is_null() {
        let _ = write!(lines, "\n  PAUSED since {}: {}", time(signer, "paused_at"), text(signer, "pause_reason"));
    }
    let _ = write!(lines, "\n  may sign: {}", policy(signer));
    for lane in signer["lanes"].as_array().into_iter().flatten() {
        let _ = write!(
            lines,
            "\n  network {}: balance {} wei, {} pending, {} held back, {} gas and {} wei in a day",
            text(lane, "network_id"),
            text(lane, "balance_wei"),
            text(lane, "pending"),
            text(lane, "held_back"),
            text(lane, "gas_of_day"),
            text(lane, "spend_of_day_wei"),
        );
        if !lane["held_back_by"].is_null() {
            let _ = write!(lines, "\n    held back: {}", text(lane, "held_back_by"));
        }
        if !lane["paused_reason"].is_null() {
            let _ = write!(lines, "\n    waits: {} since {}", text(lane, "paused_reason"), time(lane, "paused_at"));
        }
    }
    lines
}

fn policy(signer: &Value) -> String {
    let list = |field: &str, all: &str| match signer[field].as_array() {
        None => all.to_owned(),
        Some(items) if items.is_empty() => format!("no {field}"),
        Some(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
    };
    let mut said = format!("{} on {}", list("actions", "everything"), list("diamonds", "every diamond"));
    let limits = [("fee_cap_wei", "wei per gas"), ("gas_per_day", "gas a day"), ("spend_per_day_wei", "wei a day")];
    for (field, unit) in limits {
        if !signer[field].is_null() {
            let _ = write!(said, ", at most {} {unit}", text(signer, field));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_paused_signer_says_since_when_and_why_and_its_lanes_what_they_wait_for() {
        let signer = json!({
            "address": "0xf39f", "name": "hot", "node_id": "n", "actions": ["open"], "diamonds": null,
            "fee_cap_wei": null, "gas_per_day": 5, "spend_per_day_wei": null,
            "paused_at": "2030-01-02T03:04:05.000006Z", "pause_reason": "moves",
            "lanes": [{
                "network_id": "w", "balance_wei": "7", "pending": 2, "held_back": 1, "gas_of_day": 3,
                "spend_of_day_wei": "4", "paused_reason": "paused", "paused_at": "2030-01-02T03:04:06.000006Z",
            }],
        });
        let expected = "0xf39f  hot  node n\n  PAUSED since 2030-01-02T03:04:05Z: moves\n  may sign: open on every diamond, \
                        at most 5 gas a day\n  network w: balance 7 wei, 2 pending, 1 held back, 3 gas and 4 wei in a \
                        day\n    waits: paused since 2030-01-02T03:04:06Z";
        assert_eq!(answer(&json!({ "items": [signer] })), expected);
        assert_eq!(answer(&json!({ "signers": 3 })), "Signers: 3");
        assert_eq!(answer(&json!({ "items": [] })), "No signers in reach.");
    }
}
