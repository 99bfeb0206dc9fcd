//! What pages are made of: times, statuses, facts, and forms that say first what they do.

use maud::{Markup, html};

/// How something is, by word, shape and colour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Light {
    Green,
    Amber,
    Red,
    Grey,
}

/// A word with its shape: a dot is well, a triangle wants attention, a cross is wrong, a ring is over or unknown.
pub(crate) fn light(light: Light, word: &str) -> Markup {
    let (class, shape) = match light {
        Light::Green => ("green", "●"),
        Light::Amber => ("amber", "▲"),
        Light::Red => ("red", "✖"),
        Light::Grey => ("grey", "○"),
    };
    html! { span.light.(class) { span aria-hidden="true" { (shape) } " " (word) } }
}

/// The status of a payment, letter, run, delivery or part; words that this version does not know are grey.
pub(crate) fn status(word: &str) -> Markup {
    let colour = match word {
        "up" | "paid" | "completed" | "resolved" | "done" | "delivered" | "enabled" | "already_done"
        | "would_resume" => Light::Green,
        "degraded" | "pending" | "open" | "submitted" | "canceling" | "claiming" | "canary" | "running" | "paused"
        | "claimed" | "replayed" | "held" | "unknown" => Light::Amber,
        "down" | "failed" | "rejected" | "needs_review" | "dead" | "dead_again" | "stopped" | "disabled"
        | "would_fail_again" => Light::Red,
        _ => Light::Grey,
    };
    light(colour, &word.replace('_', " "))
}

/// A time in UTC, to which the script adds the local one.
pub(crate) fn time(at: &str) -> Markup {
    let (day, clock) = at.split_once('T').unwrap_or((at, ""));
    html! { time datetime=(at) { (day) " " (clock.get(..8).unwrap_or(clock)) " UTC" } }
}

/// The time, or a dash.
pub(crate) fn time_or_none(at: Option<&str>) -> Markup {
    at.map_or_else(|| html! { span.muted { "–" } }, time)
}

/// A term with what is known of it.
pub(crate) fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

/// A cell that says on a phone what it is.
pub(crate) fn cell(label: &str, value: &Markup) -> Markup {
    html! { td data-label=(label) { (value) } }
}

/// A table whose rows become cards on a phone.
pub(crate) fn table(caption: &str, columns: &[&str], rows: &[Markup], empty: &str) -> Markup {
    if rows.is_empty() {
        return html! { p.empty { (empty) } };
    }
    html! {
        table {
            caption.unseen { (caption) }
            thead { tr { @for column in columns { th scope="col" { (column) } } } }
            tbody { @for row in rows { tr { (row) } } }
        }
    }
}

/// JSON as it is, foldable.
pub(crate) fn raw(title: &str, value: &serde_json::Value) -> Markup {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    html! { details { summary { (title) } pre tabindex="0" { code { (text) } } } }
}

/// An act that is confirmed: what it does comes first, then the form, which posts to the page's own address.
pub(crate) fn confirm(title: &str, effect: &Markup, fields: &Markup, button: &str, back: &str) -> Markup {
    html! {
        h1 { (title) }
        div.effect { (effect) }
        form.act method="post" {
            (fields)
            div.buttons { button.primary type="submit" { (button) } a.button href=(back) { "Back" } }
        }
    }
}

/// The field for the reason, which stays with what is changed and in the audit log.
pub(crate) fn reason(required: bool) -> Markup {
    html! {
        label.field {
            span { "Reason" }
            input name="reason" type="text" maxlength="500" autocomplete="off" required[required];
            small { "It stays with what is changed and in the audit log." }
        }
    }
}

/// A field for a whole number.
pub(crate) fn number(name: &str, label: &str, value: &str, max: &str, hint: &str) -> Markup {
    html! {
        label.field.short {
            span { (label) }
            input name=(name) type="number" min="0" max=(max) value=(value) required;
            small { (hint) }
        }
    }
}

/// A text filter.
pub(crate) fn filter(name: &str, label: &str, value: &str) -> Markup {
    html! { label { span { (label) } input name=(name) type="search" value=(value) autocomplete="off"; } }
}

/// A filter with a few words to choose from.
pub(crate) fn choice(name: &str, label: &str, value: &str, words: &[&str]) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { "any" }
                @for word in words { option value=(word) selected[*word == value] { (word.replace('_', " ")) } }
            }
        }
    }
}

/// A count with its noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
