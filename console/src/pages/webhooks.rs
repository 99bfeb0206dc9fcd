//! Endpoints of webhooks, what they are owed, and every try.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{Api, with_query},
    browser::Fields,
    layout::Page,
    parts::{Light, cell, choice, confirm, count, fact, filter, light, raw, reason, status, table, time, time_or_none},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

const WEBHOOKS: &str = "/api/v1/webhooks";
const DELIVERIES: &str = "/api/v1/webhook-deliveries";

#[derive(Deserialize)]
pub(super) struct Webhooks {
    pub(super) items: Vec<Webhook>,
    pub(super) total: u64,
}

#[derive(Deserialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) url: String,
    status: String,
    failing_since: Option<String>,
    failures: u64,
    last_success_at: Option<String>,
    disabled_at: Option<String>,
    disabled_reason: Option<String>,
    paused_until: Option<String>,
    events: Vec<String>,
    backlog: Option<Backlog>,
}

#[derive(Deserialize)]
struct Backlog {
    pending: u64,
    failed: u64,
    held: u64,
}

#[derive(Deserialize)]
struct Deliveries {
    items: Vec<Delivery>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    id: String,
    webhook_id: String,
    event_type: String,
    status: String,
    attempts: u64,
    created_at: String,
    next_attempt_at: Option<String>,
    last_error: Option<String>,
    payment_id: Option<String>,
}

#[derive(Deserialize)]
struct Details {
    delivery: Delivery,
    event: Value,
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    number: u64,
    started_at: String,
    duration_ms: u64,
    status: Option<u16>,
    error_message: Option<String>,
    response: Option<String>,
}

impl Webhook {
    /// Whether it takes nothing, by itself or because it failed for too long.
    pub(super) fn fails(&self) -> bool {
        self.failing_since.is_some() || (self.status == "disabled" && self.failures > 0)
    }

    pub(super) fn light(&self) -> Markup {
        match self.status.as_str() {
            "enabled" if self.failing_since.is_some() => light(Light::Red, "failing"),
            word => status(word),
        }
    }
}

/// The endpoints within reach.
pub(super) async fn all(api: &mut Api, page: &str) -> Result<Webhooks, Failure> {
    api.get(WEBHOOKS, &[("page", page), ("per_page", "100")]).await
}

pub(super) async fn route(visit: &mut Visit, rest: &[&str]) -> Result<Outcome, Failure> {
    match (rest, visit.form.is_some()) {
        ([], false) => list(visit).await,
        (["deliveries", id], false) => delivery(visit, id).await,
        (["deliveries", id, "redeliver"], _) => redeliver(visit, id).await,
        ([id], false) => page(visit, id).await,
        ([id, act @ ("enable" | "disable")], _) => change(visit, id, act).await,
        _ => Err(Problem::not_found().into()),
    }
}

async fn list(visit: &mut Visit) -> Result<Outcome, Failure> {
    let all = all(&mut visit.api, visit.query.get("page")).await?;
    let rows: Vec<Markup> = all.items.iter().map(row).collect();
    let columns = ["Endpoint", "State", "Failures in a row", "Last success"];
    let content = html! { h1 { "Webhooks" } (table("Endpoints", &columns, &rows, "There are no endpoints.")) };
    Ok(Page::new("Webhooks", content).into())
}

fn row(endpoint: &Webhook) -> Markup {
    html! {
        th scope="row" { a.row href={ (ROOT) "/webhooks/" (endpoint.id) } { (endpoint.url) } }
        (cell("State", &endpoint.light()))
        (cell("Failures in a row", &html! { span.number { (endpoint.failures) } }))
        (cell("Last success", &time_or_none(endpoint.last_success_at.as_deref())))
    }
}

async fn page(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let endpoint: Webhook = visit.api.get(&format!("{WEBHOOKS}/{id}"), &[]).await?;
    let mut listed = visit.query.only(&["status", "event_type", "payment_id", "cursor"]);
    listed.push(("per_page", "50"));
    let deliveries: Deliveries = visit.api.get(&format!("{WEBHOOKS}/{id}/deliveries"), &listed).await?;
    let act = if endpoint.status == "enabled" { "disable" } else { "enable" };
    let content = html! {
        h1 { "Endpoint " span.address { (endpoint.url) } }
        p { (endpoint.light()) " " (endpoint.disabled_reason.as_deref().unwrap_or_default()) }
        div.buttons {
            a.button href={ (ROOT) "/webhooks/" (id) "/" (act) } { @if act == "enable" { "Enable …" } @else { "Disable …" } }
        }
        (facts(&endpoint))
        h2 { "Deliveries" }
        (filters(&visit.query))
        (list_of(&deliveries, id, &visit.query))
    };
    Ok(Page::new("Endpoint", content).into())
}

fn facts(endpoint: &Webhook) -> Markup {
    html! {
        dl.facts {
            @if let Some(Backlog { pending, failed, held }) = &endpoint.backlog {
                (fact("Backlog", &html! { (pending) " pending, " (failed) " failed, " (held) " held" }))
            }
            (fact("Last success", &time_or_none(endpoint.last_success_at.as_deref())))
            (fact("Failing since", &time_or_none(endpoint.failing_since.as_deref())))
            @if endpoint.disabled_at.is_some() { (fact("Disabled", &time_or_none(endpoint.disabled_at.as_deref()))) }
            @if endpoint.paused_until.is_some() { (fact("Next probe", &time_or_none(endpoint.paused_until.as_deref()))) }
            (fact("Events", &html! { @if endpoint.events.is_empty() { "all" } @else { (endpoint.events.join(", ")) } }))
        }
    }
}

fn filters(query: &Fields) -> Markup {
    html! {
        form.filters method="get" role="search" {
            (choice("status", "Status", query.get("status"), &["pending", "delivered", "failed", "held"]))
            (filter("event_type", "Event", query.get("event_type")))
            (filter("payment_id", "Payment", query.get("payment_id")))
            button type="submit" { "Filter" }
        }
    }
}

fn list_of(deliveries: &Deliveries, id: &str, query: &Fields) -> Markup {
    let rows: Vec<Markup> = deliveries.items.iter().map(delivery_row).collect();
    let next = deliveries.next_cursor.as_deref().map(|cursor| {
        let mut next = query.only(&["status", "event_type", "payment_id"]);
        next.push(("cursor", cursor));
        with_query(&format!("{ROOT}/webhooks/{id}"), &next)
    });
    html! {
        (table("Deliveries", &["Created", "Event", "Status", "Tries", "Next try", "Last error"], &rows, "No delivery matches."))
        @if let Some(next) = next { p { a.button rel="next" href=(next) { "Older deliveries" } } }
    }
}

fn delivery_row(delivery: &Delivery) -> Markup {
    html! {
        th scope="row" { a.row href={ (ROOT) "/webhooks/deliveries/" (delivery.id) } { (time(&delivery.created_at)) } }
        (cell("Event", &html! { (delivery.event_type) }))
        (cell("Status", &status(&delivery.status)))
        (cell("Tries", &html! { span.number { (delivery.attempts) } }))
        (cell("Next try", &time_or_none(delivery.next_attempt_at.as_deref())))
        (cell("Last error", &html! { (delivery.last_error.as_deref().unwrap_or("–")) }))
    }
}

async fn delivery(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let Details { delivery, event, attempts } = visit.api.get(&format!("{DELIVERIES}/{id}"), &[]).await?;
    let content = html! {
        h1 { "Delivery of " (delivery.event_type) }
        p { (status(&delivery.status)) " " (delivery.last_error.as_deref().unwrap_or_default()) }
        div.buttons {
            a.button href={ (ROOT) "/webhooks/deliveries/" (id) "/redeliver" } { "Redeliver …" }
            a.button href={ (ROOT) "/webhooks/" (delivery.webhook_id) } { "Its endpoint" }
            @if let Some(payment) = &delivery.payment_id { a.button href={ (ROOT) "/payments/" (payment) } { "Its payment" } }
        }
        h2 { "Tries" }
        @if attempts.is_empty() { p.empty { "It was not tried yet." } }
        ol.timeline { @for attempt in &attempts { li { (show(attempt)) } } }
        (raw("The event as it is sent", &event))
    };
    Ok(Page::new("Delivery", content).into())
}

fn show(attempt: &Attempt) -> Markup {
    html! {
        p.muted { (attempt.number) " · " (time(&attempt.started_at)) " · " (attempt.duration_ms) " ms" }
        p {
            @match attempt.status { Some(status) => { "Answered " (status) } None => { "No answer" } }
            @if let Some(error) = &attempt.error_message { ": " (error) }
        }
        @if let Some(response) = &attempt.response {
            details { summary { "The answer" } pre tabindex="0" { code { (response) } } }
        }
    }
}

async fn redeliver(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let own = format!("{ROOT}/webhooks/deliveries/{id}");
    if visit.form.is_some() {
        visit.api.post(&format!("{DELIVERIES}/{id}/redeliver"), None).await?;
        return Ok(Outcome::see_other(own));
    }
    let Details { delivery, attempts, .. } = visit.api.get(&format!("{DELIVERIES}/{id}"), &[]).await?;
    let effect = html! {
        p { b { "1 delivery" } " of " (delivery.event_type) ", after " (count(attempts.len() as u64, "try", "tries")) "." }
        p { "The endpoint gets the same event again, with the same id, by which it can recognise it." }
    };
    let content = confirm("Redeliver", &effect, &html! {}, "Redeliver", &own);
    Ok(Page::new("Redeliver", content).into())
}

/// Enables or disables one; the first visit only says what that does.
async fn change(visit: &mut Visit, id: &str, act: &str) -> Result<Outcome, Failure> {
    let (path, own) = (format!("{WEBHOOKS}/{id}"), format!("{ROOT}/webhooks/{id}"));
    if let Some(form) = &visit.form {
        let body = (act == "disable").then(|| json!({ "reason": form.get("reason") }));
        visit.api.post(&format!("{path}/{act}"), body.as_ref()).await?;
        return Ok(Outcome::see_other(own));
    }
    let endpoint: Webhook = visit.api.get(&path, &[]).await?;
    let (pending, held) = endpoint.backlog.as_ref().map_or((0, 0), |backlog| (backlog.pending, backlog.held));
    let effect = html! {
        p { b { "1 endpoint" } ", " span.address { (endpoint.url) } "." }
        @if act == "disable" { p { (pending) " pending deliveries, and what comes, are held until somebody enables it." } }
        @else { p { (held) " held deliveries are owed to it again." } }
    };
    let fields = if act == "disable" {
        reason(false)
    } else {
        html! {}
    };
    let (title, button) =
        if act == "disable" { ("Disable an endpoint", "Disable it") } else { ("Enable an endpoint", "Enable it") };
    Ok(Page::new(title, confirm(title, &effect, &fields, button, &own)).into())
}
