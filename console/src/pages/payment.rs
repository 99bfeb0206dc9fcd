//! One payment with everything that happened to it.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::dead_letters::Letter;
use crate::{
    layout::Page,
    parts::{confirm, fact, raw, status, time},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

#[derive(Deserialize)]
pub(super) struct LogEntry {
    pub(super) created_at: String,
    pub(super) event_type: String,
    pub(super) message: String,
    actor_type: String,
    data: Value,
}

#[derive(Deserialize)]
struct Log {
    items: Vec<LogEntry>,
    total: u64,
}

#[derive(Deserialize)]
struct Letters {
    items: Vec<Letter>,
}

/// An act on a payment: the word in our address, the API's, its button, and what it does.
const ACTS: [(&str, &str, &str, &str); 3] = [
    ("cancel", "cancel", "Cancel", "It is given up; a deposit on a chain goes back to its payer."),
    ("release", "release", "Release", "A deposit that is final goes to its payee, which nothing takes back."),
    ("retry", "retry-send", "Retry", "A payment that has failed is sent again."),
];

pub(super) async fn route(visit: &mut Visit, id: &str, rest: &[&str]) -> Result<Outcome, Failure> {
    match rest {
        [] if visit.form.is_none() => page(visit, id).await,
        [act] => change(visit, id, act).await,
        _ => Err(Problem::not_found().into()),
    }
}

async fn page(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let path = format!("/api/v1/payments/{id}");
    let payment: Value = visit.api.get(&path, &[]).await?;
    let log: Log = visit.api.get(&format!("{path}/logs"), &[("per_page", "100")]).await?;
    let filter = [("payment_id", id), ("per_page", "20")];
    // Who may read payments may not always see letters.
    let letters = match visit.api.get::<Letters>("/api/v1/operations/dead-letters", &filter).await {
        Ok(letters) => letters.items,
        Err(Failure::SignIn) => return Err(Failure::SignIn),
        Err(Failure::Refused(_)) => Vec::new(),
    };
    let text = |name: &str| payment[name].as_str().unwrap_or_default();
    let content = html! {
        h1 { "Payment " (text("external_id")) }
        p { (status(text("status"))) " since " (time(text("updated_at"))) }
        (failure(&payment["failure"]))
        (acts(id, text("status")))
        (facts(&payment))
        (dead(&letters))
        h2 { "Timeline" }
        @if log.total > 100 { p.muted { "The first 100 of " (log.total) " entries." } }
        (timeline(&log.items))
        (raw("The payment as the API has it", &without_token(payment.clone())))
    };
    Ok(Page::new(format!("Payment {}", text("external_id")), content).into())
}

/// The payer's token opens the payer's page, so it is not shown to everybody who passes by a screen.
fn without_token(mut payment: Value) -> Value {
    if let Some(fields) = payment.as_object_mut() {
        fields.remove("access_token");
    }
    payment
}

fn failure(failure: &Value) -> Markup {
    html! {
        @if let (Some(code), Some(message)) = (failure["code"].as_str(), failure["message"].as_str()) {
            div.effect { p { b { (code) } " " (message) } }
        }
    }
}

fn acts(id: &str, status: &str) -> Markup {
    let fits = |act: &str| match act {
        "cancel" => matches!(status, "pending" | "open" | "submitted" | "paid"),
        "release" => status == "paid",
        _ => status == "failed",
    };
    html! {
        div.buttons {
            @if status == "needs_review" { a.button.primary href={ (ROOT) "/reviews/" (id) } { "Review" } }
            @for (act, _, button, _) in ACTS {
                @if fits(act) { a.button href={ (ROOT) "/payments/" (id) "/" (act) } { (button) " …" } }
            }
        }
    }
}

fn facts(payment: &Value) -> Markup {
    let shown = [
        ("Price", "price_text"),
        ("Paid price", "paid_price_text"),
        ("Method", "payment_method"),
        ("Payment", "id"),
        ("Node", "node_id"),
        ("Order", "order_id"),
        ("Payee", "payment_address"),
        ("Diamond", "diamond_address"),
        ("Transaction", "transaction_hash"),
        ("Canceled by", "cancel_transaction_hash"),
        ("Duplicate of", "duplicate_of"),
    ];
    let time_of = |name: &str| time(payment[name].as_str().unwrap_or_default());
    html! {
        dl.facts {
            @for (term, name) in shown {
                @if let Some(value) = payment[name].as_str().filter(|value| !value.is_empty()) {
                    (fact(term, &html! { code { (value) } }))
                }
            }
            @if !payment["deal_id"].is_null() { (fact("Deal", &html! { (payment["deal_id"].to_string()) })) }
            (fact("Created", &time_of("created_at")))
            (fact("Expires", &time_of("expires_at")))
        }
    }
}

fn dead(letters: &[Letter]) -> Markup {
    html! {
        @if !letters.is_empty() {
            h2 { "Dead letters" }
            ul.plain {
                @for letter in letters {
                    li { a.row href={ (ROOT) "/dead-letters/" (letter.id) } { (letter.kind) } " " (status(&letter.state))
                        " " span.muted { (letter.error_message) } }
                }
            }
        }
    }
}

/// The entries in their order, each with its data foldable.
pub(super) fn timeline(entries: &[LogEntry]) -> Markup {
    html! {
        ol.timeline {
            @for entry in entries {
                li {
                    p.muted { (time(&entry.created_at)) " · " (entry.actor_type) " · " code { (entry.event_type) } }
                    p { (entry.message) }
                    @if !entry.data.is_null() { (raw("Data", &entry.data)) }
                }
            }
        }
    }
}

async fn change(visit: &mut Visit, id: &str, act: &str) -> Result<Outcome, Failure> {
    let Some((_, word, button, effect)) = ACTS.into_iter().find(|(known, ..)| *known == act) else {
        return Err(Problem::not_found().into());
    };
    let (path, own) = (format!("/api/v1/payments/{id}"), format!("{ROOT}/payments/{id}"));
    if visit.form.is_some() {
        visit.api.post(&format!("{path}/{word}"), None).await?;
        return Ok(Outcome::see_other(own));
    }
    let payment: Value = visit.api.get(&path, &[]).await?;
    let text = |name: &str| payment[name].as_str().unwrap_or_default();
    let effect = html! {
        p { b { "1 payment" } ", " (text("external_id")) ", of " span.number { (text("price_text")) } ": " (status(text("status"))) }
        p { (effect) }
    };
    let title = format!("{button} a payment");
    let content = confirm(&title, &effect, &html! {}, button, &own);
    Ok(Page::new(title, content).into())
}
