//! Dead letters by cause, and acts on all that match.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{letter, redrives};
use crate::{
    api::{Api, with_query},
    browser::Fields,
    layout::Page,
    parts::{cell, choice, confirm, count, filter, reason, status, table, time},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

const LETTERS: &str = "/api/v1/operations/dead-letters";

/// What the API's filter takes; these names stand in our addresses too.
const FILTER: [&str; 12] = [
    "queue",
    "kind",
    "origin",
    "error_code",
    "fingerprint",
    "message_id",
    "payment_id",
    "node_id",
    "text",
    "since",
    "before",
    "redrive_id",
];

/// The states that a letter can be in.
const STATES: [&str; 7] = ["dead", "claimed", "replayed", "resolved", "dead_again", "discarded", "replaced"];

#[derive(Deserialize)]
pub(super) struct Groups {
    pub(super) items: Vec<Group>,
    pub(super) letters: u64,
}

/// Letters that died of one cause.
#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) kind: String,
    pub(super) error_code: String,
    pub(super) letters: u64,
    pub(super) sample_message: String,
    fingerprint: String,
    queue: String,
    first_at: String,
    last_at: String,
    sample_id: String,
}

impl Group {
    /// The page of its letters.
    pub(super) fn address(&self) -> String {
        with_query(&format!("{ROOT}/dead-letters"), &[("fingerprint", &self.fingerprint), ("state", "dead")])
    }
}

#[derive(Deserialize)]
struct Letters {
    items: Vec<Letter>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) queue: String,
    pub(super) kind: String,
    pub(super) error_code: String,
    pub(super) error_message: String,
    pub(super) state: String,
    pub(super) last_at: String,
    pub(super) attempts: u64,
    pub(super) replay_no: u64,
}

/// What died, by cause.
pub(super) async fn groups(api: &mut Api, query: &[(&str, &str)]) -> Result<Groups, Failure> {
    api.get(&format!("{LETTERS}/groups"), query).await
}

pub(super) async fn route(visit: &mut Visit, rest: &[&str]) -> Result<Outcome, Failure> {
    match (rest, visit.form.is_some()) {
        ([], false) => page(visit).await,
        (["redrive"], false) => redrives::dry_run(visit).await,
        (["redrive"], true) => redrives::start(visit).await,
        ([act @ ("discard" | "restore")], false) => ask_for_many(visit, act).await,
        ([act @ ("discard" | "restore")], true) => change_many(visit, act).await,
        ([id], false) => letter::page(visit, id).await,
        ([id, act @ ("discard" | "restore")], _) => letter::change(visit, id, act).await,
        _ => Err(Problem::not_found().into()),
    }
}

/// The filter in the address, as the API takes it in a body.
pub(super) fn filter_of(query: &Fields) -> Value {
    let given = query.only(&FILTER).into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(given.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

/// One of our addresses with the filter of this page.
pub(super) fn with_filter(place: &str, query: &Fields) -> String {
    with_query(&format!("{ROOT}/dead-letters{place}"), &query.only(&FILTER))
}

/// The filter in words.
pub(super) fn filter_in_words(filter: &Value) -> Markup {
    let given: Vec<_> = filter.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()).collect();
    html! {
        @if given.is_empty() { "all dead letters" }
        @for (index, (name, value)) in given.iter().enumerate() {
            @if index > 0 { ", " }
            (name.replace('_', " ")) " " code { (value.as_str().unwrap_or_default()) }
        }
    }
}

async fn page(visit: &mut Visit) -> Result<Outcome, Failure> {
    let query = &visit.query;
    let is_filtered = filter_of(query).as_object().is_some_and(|filter| !filter.is_empty());
    let mut listed = query.only(&FILTER);
    listed.extend([("state", query.get("state")), ("cursor", query.get("cursor")), ("per_page", "50")]);
    let by_cause = if is_filtered || !query.get("state").is_empty() {
        None
    } else {
        Some(groups(&mut visit.api, &[("per_page", "100")]).await?)
    };
    let content = match by_cause {
        Some(groups) => html! {
            h1 { "Dead letters" }
            (filters(query))
            p { (count(groups.letters, "letter is dead", "letters are dead")) ", by cause:" }
            (causes(&groups))
        },
        None => {
            let letters: Letters = visit.api.get(LETTERS, &listed).await?;
            html! { h1 { "Dead letters" } (filters(query)) (acts(query)) (list(&letters, query)) }
        }
    };
    Ok(Page::new("Dead letters", content).into())
}

fn filters(query: &Fields) -> Markup {
    html! {
        form.filters method="get" role="search" {
            (filter("text", "Text", query.get("text")))
            (filter("queue", "Queue", query.get("queue")))
            (filter("error_code", "Error", query.get("error_code")))
            (filter("payment_id", "Payment", query.get("payment_id")))
            (filter("fingerprint", "Cause", query.get("fingerprint")))
            (choice("state", "State", query.get("state"), &STATES))
            button type="submit" { "Filter" }
            a.button href={ (ROOT) "/dead-letters" } { "By cause" }
        }
    }
}

fn causes(groups: &Groups) -> Markup {
    let rows: Vec<Markup> = groups.items.iter().map(cause).collect();
    let columns = ["Cause", "Letters", "Queue", "First", "Last", "Example"];
    table("Causes", &columns, &rows, "Nothing is dead. What jobs give up on appears here.")
}

fn cause(group: &Group) -> Markup {
    html! {
        th scope="row" {
            a.row href=(group.address()) { (group.error_code) }
            span.clip.muted { (group.sample_message) }
        }
        (cell("Letters", &html! { span.number { (group.letters) } }))
        (cell("Queue", &html! { (group.queue) }))
        (cell("First", &time(&group.first_at)))
        (cell("Last", &time(&group.last_at)))
        (cell("Example", &html! { a href={ (ROOT) "/dead-letters/" (group.sample_id) } { "letter" } }))
    }
}

fn acts(query: &Fields) -> Markup {
    html! {
        p { (filter_in_words(&filter_of(query))) }
        div.buttons {
            a.button.primary data-key="redrive" href=(with_filter("/redrive", query)) { "Dry run" }
            a.button href=(with_filter("/discard", query)) { "Discard …" }
            a.button href=(with_filter("/restore", query)) { "Restore …" }
        }
    }
}

fn list(letters: &Letters, query: &Fields) -> Markup {
    let rows: Vec<Markup> = letters.items.iter().map(row).collect();
    let columns = ["Died", "State", "Queue", "Error", "Attempts", "Replays"];
    let next = letters.next_cursor.as_deref().map(|cursor| {
        let mut next = query.only(&FILTER);
        next.extend([("state", query.get("state")), ("cursor", cursor)]);
        with_query(&format!("{ROOT}/dead-letters"), &next)
    });
    html! {
        (table("Letters", &columns, &rows, "No letter matches."))
        @if let Some(next) = next { p { a.button rel="next" href=(next) { "Older letters" } } }
    }
}

fn row(letter: &Letter) -> Markup {
    html! {
        th scope="row" { a.row href={ (ROOT) "/dead-letters/" (letter.id) } { (time(&letter.last_at)) } }
        (cell("State", &status(&letter.state)))
        (cell("Queue", &html! { (letter.queue) }))
        (cell("Error", &html! { (letter.error_code) span.clip.muted { (letter.error_message) } }))
        (cell("Attempts", &html! { span.number { (letter.attempts) } }))
        (cell("Replays", &html! { span.number { (letter.replay_no) } }))
    }
}

/// Which letters an act on many takes.
fn state_for(act: &str) -> &'static str {
    if act == "restore" { "discarded" } else { "dead" }
}

async fn ask_for_many(visit: &mut Visit, act: &str) -> Result<Outcome, Failure> {
    let mut listed = visit.query.only(&FILTER);
    listed.extend([("state", state_for(act)), ("per_page", "100")]);
    let letters: Letters = visit.api.get(LETTERS, &listed).await?;
    let many = letters.items.len();
    let more = if letters.next_cursor.is_some() { " and more" } else { "" };
    let effect = html! {
        p { b { (many) (more) } " " (state_for(act)) " letters match: " (filter_in_words(&filter_of(&visit.query))) "." }
        @if act == "discard" { p { "They are left alone from then on, by redrives and by the safety net, until somebody restores them." } }
        @else { p { "They are dead again, so that redrives take them." } }
    };
    let (title, button) = match act {
        "discard" => ("Discard letters", "Discard all that match"),
        _ => ("Restore letters", "Restore all that match"),
    };
    let content = confirm(title, &effect, &reason(true), button, &with_filter("", &visit.query));
    Ok(Page::new(title, content).into())
}

async fn change_many(visit: &mut Visit, act: &str) -> Result<Outcome, Failure> {
    let why = visit.form.as_ref().map(|form| form.get("reason").to_owned()).unwrap_or_default();
    let mut filter = filter_of(&visit.query);
    filter["state"] = state_for(act).into();
    visit.api.post(&format!("{LETTERS}/{act}"), Some(&json!({ "filter": filter, "reason": why }))).await?;
    Ok(Outcome::see_other(with_filter("", &visit.query)))
}
