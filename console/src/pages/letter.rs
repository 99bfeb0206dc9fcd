//! One dead letter.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::dead_letters::Letter;
use crate::{
    api::with_query,
    layout::Page,
    parts::{confirm, fact, raw, reason, status, time},
    place::ROOT,
    problem::Failure,
    visit::{Outcome, Visit},
};

#[derive(Deserialize)]
struct Details {
    letter: Value,
    deaths: Vec<Letter>,
    outlook: String,
    outlook_reason: String,
}

pub(super) async fn page(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let details: Details = visit.api.get(&format!("/api/v1/operations/dead-letters/{id}"), &[]).await?;
    let text = |name: &str| details.letter[name].as_str().unwrap_or_default();
    let content = html! {
        h1 { "Dead letter" }
        p { (status(text("state"))) " since " (time(text("state_at")))
            @if !text("state_by").is_empty() { " by " (text("state_by")) }
            @if !text("state_reason").is_empty() { ": " (text("state_reason")) } }
        div.effect {
            p { b { (text("error_code")) } " " (text("error_message")) }
            p { "Replayed now: " (status(&details.outlook)) " " (details.outlook_reason) }
            @if !text("consequence").is_empty() { p { (text("consequence")) } }
        }
        (acts(id, text("state"), text("message_id")))
        (facts(&details.letter))
        (deaths(&details.deaths))
        (raw("The letter as the API has it", &details.letter))
    };
    Ok(Page::new("Dead letter", content).into())
}

fn acts(id: &str, state: &str, message: &str) -> Markup {
    let redrive = with_query(&format!("{ROOT}/dead-letters/redrive"), &[("message_id", message)]);
    html! {
        div.buttons {
            @if state == "dead" {
                a.button.primary href=(redrive) data-key="redrive" { "Dry run" }
                a.button href={ (ROOT) "/dead-letters/" (id) "/discard" } { "Discard …" }
            } @else if state == "discarded" {
                a.button.primary href={ (ROOT) "/dead-letters/" (id) "/restore" } { "Restore …" }
            }
        }
    }
}

fn facts(letter: &Value) -> Markup {
    let text = |name: &str| letter[name].as_str().unwrap_or_default();
    html! {
        dl.facts {
            (fact("Letter", &html! { code { (text("id")) } }))
            (fact("Queue", &html! { (text("queue")) }))
            (fact("Kind", &html! { (text("kind")) }))
            (fact("Message", &html! { code { (text("message_id")) } }))
            @if !text("payment_id").is_empty() {
                (fact("Payment", &html! { a href={ (ROOT) "/payments/" (text("payment_id")) } { code { (text("payment_id")) } } }))
            }
            @if !text("redrive_id").is_empty() {
                (fact("Redrive", &html! { a href={ (ROOT) "/redrives/" (text("redrive_id")) } { code { (text("redrive_id")) } } }))
            }
            (fact("First", &time(text("first_at"))))
            (fact("Last", &time(text("last_at"))))
        }
    }
}

fn deaths(deaths: &[Letter]) -> Markup {
    html! {
        @if deaths.len() > 1 {
            h2 { "Each time it died" }
            ol { @for death in deaths { li { (time(&death.last_at)) " " (status(&death.state)) " " (death.error_message) } } }
        }
    }
}

/// Discards or restores it; the first visit only says what that does.
pub(super) async fn change(visit: &mut Visit, id: &str, act: &str) -> Result<Outcome, Failure> {
    let own = format!("{ROOT}/dead-letters/{id}");
    let path = format!("/api/v1/operations/dead-letters/{id}");
    if let Some(form) = &visit.form {
        let body = json!({ "reason": form.get("reason") });
        visit.api.post(&format!("{path}/{act}"), Some(&body)).await?;
        return Ok(Outcome::see_other(own));
    }
    let details: Details = visit.api.get(&path, &[]).await?;
    let consequence = details.letter["consequence"].as_str().unwrap_or_default();
    let effect = html! {
        p { b { "1 letter" } " of " (details.letter["queue"].as_str().unwrap_or_default()) "." }
        @if act == "discard" { p { "It is left alone from then on. " (consequence) } }
        @else { p { "It is dead again, so that redrives take it." } }
    };
    let (title, button) =
        if act == "discard" { ("Discard a letter", "Discard it") } else { ("Restore a letter", "Restore it") };
    Ok(Page::new(title, confirm(title, &effect, &reason(true), button, &own)).into())
}
