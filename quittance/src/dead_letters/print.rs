//! Dead letters as lines for people.

use std::fmt::Write;

use serde_json::Value;

use crate::operator::terminal::{clean, short, text, time};

/// Characters of an error message in a list.
const MESSAGE: usize = 160;

fn rows<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn groups(groups: &Value) -> String {
    let items = rows(groups, "items");
    if items.is_empty() {
        return "No dead letters.".to_owned();
    }
    let mut output = String::new();
    for group in items {
        // Writing into a String cannot fail.
        let _ = writeln!(
            output,
            "{:>7}  {}  {}  {}\n         {}\n         cause {}, first {}, last {}, for example {}",
            text(group, "letters"),
            text(group, "queue"),
            text(group, "kind"),
            text(group, "error_code"),
            short(&text(group, "sample_message"), MESSAGE),
            text(group, "fingerprint"),
            time(group, "first_at"),
            time(group, "last_at"),
            text(group, "sample_id"),
        );
    }
    let complete = groups["complete"] == Value::Bool(true);
    let _ = write!(
        output,
        "{} letter{}{}.",
        text(groups, "letters"),
        if groups["letters"] == 1 { "" } else { "s" },
        if complete { "" } else { " looked at; there are more" }
    );
    output
}

pub(super) fn list(page: &Value) -> String {
    let items = rows(page, "items");
    let mut lines: Vec<String> = items.iter().map(line).collect();
    match page["next_cursor"].as_str() {
        Some(cursor) => lines.push(format!("More: --cursor {}", clean(cursor))),
        None if lines.is_empty() => lines.push("No dead letters.".to_owned()),
        None => {}
    }
    lines.join("\n")
}

pub(super) fn line(letter: &Value) -> String {
    let payment = letter["payment_id"].as_str().map(|id| format!("  payment {}", clean(id))).unwrap_or_default();
    format!(
        "{}  {}  {:<10}  {}{payment}  {} attempts  {}: {}",
        text(letter, "id"),
        time(letter, "last_at"),
        text(letter, "state"),
        text(letter, "queue"),
        text(letter, "attempts"),
        text(letter, "error_code"),
        short(&text(letter, "error_message"), MESSAGE),
    )
}

pub(super) fn details(details: &Value) -> String {
    let letter = &details["letter"];
    let mut output = String::new();
    let _ = writeln!(
        output,
        "Letter {} is {} since {}.",
        text(letter, "id"),
        text(letter, "state"),
        time(letter, "state_at")
    );
    if !letter["state_reason"].is_null() {
        let _ = writeln!(output, "  Because: {} (by {})", text(letter, "state_reason"), text(letter, "state_by"));
    }
    let _ =
        writeln!(output, "\nIt died of {}, after {} attempts:", text(letter, "error_code"), text(letter, "attempts"));
    let _ = writeln!(output, "  {}", text(letter, "error_message"));
    let outlook = match details["outlook"].as_str() {
        Some("already_done") => "find that nothing is left to do",
        Some("would_resume") => "go on with what was left",
        Some("would_fail_again") => "end the same way",
        _ => "come to an end that its job does not foresee",
    };
    let _ = writeln!(output, "\nReplaying it now would {outlook}: {}.", text(details, "outlook_reason"));
    output.push('\n');
    for (name, field) in [
        ("Queue", "queue"),
        ("Kind", "kind"),
        ("Message", "message_id"),
        ("Payment", "payment_id"),
        ("Node", "node_id"),
        ("Cause", "fingerprint"),
        ("Given up by", "origin"),
        ("Redrive", "redrive_id"),
        ("Edited from", "edited_from"),
        ("Replaced by", "replaced_by"),
    ] {
        if !letter[field].is_null() {
            let _ = writeln!(output, "{name:<12} {}", text(letter, field));
        }
    }
    let _ = writeln!(output, "{:<12} {}, died {}", "Enqueued", time(letter, "first_at"), time(letter, "last_at"));
    for (name, value) in letter["headers"].as_object().into_iter().flatten() {
        let _ = writeln!(output, "{:<12} {}: {}", "Header", clean(name), clean(value.as_str().unwrap_or_default()));
    }
    let _ = write!(
        output,
        "{:<12} {}",
        if letter["body_encoding"] == "hex" { "Body (hex)" } else { "Body" },
        text(letter, "body")
    );
    for change in rows(details, "changes") {
        let _ = write!(output, "\n{:<12} {}", "Edited", changed(change));
    }
    let deaths = rows(details, "deaths");
    if deaths.len() > 1 {
        output.push_str("\n\nEvery death of this message, newest first:");
        for death in deaths {
            let _ = write!(output, "\n  {}", line(death));
        }
    }
    output
}

pub(super) fn edited(edited: &Value) -> String {
    let mut output = format!("Letter {} has taken its place; redrive it when it is right.", text(edited, "id"));
    for change in rows(edited, "changes") {
        let _ = write!(output, "\n  {}", changed(change));
    }
    output
}

fn changed(change: &Value) -> String {
    let pointer = Some(text(change, "pointer")).filter(|pointer| !pointer.is_empty());
    let pointer = pointer.unwrap_or_else(|| "the whole".to_owned());
    format!("{pointer}: {} becomes {}", text(change, "before"), text(change, "after"))
}

/// What a redrive would do.
pub(super) fn plan(plan: &Value) -> String {
    let mut output = String::new();
    let matching = if plan["matching_complete"] == Value::Bool(true) { "" } else { " or more" };
    let _ = writeln!(
        output,
        "{}{matching} dead letters match, {} would be replayed; the oldest died {}, the newest {}.",
        text(plan, "matching"),
        text(plan, "would_replay"),
        time(plan, "oldest_at"),
        time(plan, "newest_at"),
    );
    for group in rows(&plan["groups"], "items") {
        let message = short(&text(group, "sample_message"), MESSAGE);
        let _ = writeln!(
            output,
            "{:>7}  {}  {}: {message}",
            text(group, "letters"),
            text(group, "queue"),
            text(group, "error_code"),
        );
    }
    let _ = write!(output, "\nWhat replaying would do now, of the {} oldest:", text(plan, "examined"));
    for outlook in rows(plan, "outlooks") {
        let what = match outlook["outlook"].as_str() {
            Some("already_done") => "already done",
            Some("would_resume") => "would resume",
            Some("would_fail_again") => "would fail again",
            _ => "not foreseen",
        };
        let _ = write!(output, "\n{:>7}  {what}: {}", text(outlook, "letters"), text(outlook, "reason"));
    }
    output
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_message_holds_cannot_disguise_itself() {
        let letter = json!({
            "id": "one", "state": "dead", "queue": "q", "error_code": "x", "attempts": 3, "last_at": "now",
            "error_message": "\u{1b}[2Jfine\r\nLetter two is resolved", "payment_id": null,
        });
        let output = line(&letter);
        assert!(!output.contains(['\u{1b}', '\r', '\n']) && output.contains(r"\u{1b}[2Jfine"), "{output}");
        let output = details(&json!({ "letter": letter, "outlook": "would_resume", "outlook_reason": "it was away" }));
        assert!(output.contains("Replaying it now would go on") && !output.contains("\nLetter two"), "{output}");
    }
}
