//! What waits, how long, and who works on it.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Number;

use crate::{
    api::with_query,
    layout::Page,
    parts::{Light, cell, light, table},
    place::ROOT,
    problem::Failure,
    visit::{Outcome, Visit},
};

#[derive(Deserialize)]
pub(super) struct QueueList {
    pub(super) items: Vec<Queue>,
}

#[derive(Deserialize)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) waiting: u64,
    pub(super) workers: u64,
    pub(super) problem: Option<String>,
    scheduled: u64,
    in_flight: u64,
    oldest_seconds: Option<u64>,
    dead_letters: u64,
    done_per_second: Number,
    failed_per_second: Number,
}

pub(super) async fn page(visit: &mut Visit) -> Result<Outcome, Failure> {
    let list: QueueList = visit.api.get("/api/v1/operations/queues", &[]).await?;
    let rows: Vec<Markup> = list.items.iter().map(row).collect();
    let columns = [
        "Queue",
        "State",
        "Waiting",
        "Oldest",
        "Taken",
        "Later",
        "Done a second",
        "Failed a second",
        "Workers",
        "Dead",
    ];
    let content = html! { h1 { "Queues" } (table("Queues", &columns, &rows, "There are no queues.")) };
    Ok(Page { live: true, ..Page::new("Queues", content) }.into())
}

fn row(queue: &Queue) -> Markup {
    let state = match &queue.problem {
        Some(problem) => html! { (light(Light::Red, "problem")) " " (problem) },
        None if queue.workers == 0 && queue.waiting > 0 => light(Light::Amber, "nobody works"),
        None => light(Light::Green, "well"),
    };
    let number = |number: u64| html! { span.number { (number) } };
    let letters = with_query(&format!("{ROOT}/dead-letters"), &[("queue", &queue.name)]);
    let dead =
        html! { @if queue.dead_letters == 0 { (number(0)) } @else { a href=(letters) { (queue.dead_letters) } } };
    html! {
        th scope="row" { (queue.name) }
        (cell("State", &state))
        (cell("Waiting", &number(queue.waiting)))
        (cell("Oldest", &html! { @match queue.oldest_seconds { Some(age) => { (age) " s" } None => { "–" } } }))
        (cell("Taken", &number(queue.in_flight)))
        (cell("Later", &number(queue.scheduled)))
        (cell("Done a second", &rate(&queue.done_per_second)))
        (cell("Failed a second", &rate(&queue.failed_per_second)))
        (cell("Workers", &number(queue.workers)))
        (cell("Dead", &dead))
    }
}

/// The first two decimals of what the API says.
fn rate(number: &Number) -> Markup {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.get(..2).unwrap_or(fraction);
    html! { span.number { (whole) @if !fraction.is_empty() { "." (fraction) } } }
}
