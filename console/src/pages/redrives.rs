//! What a replay would do, and the runs that replay.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::dead_letters::{filter_in_words, filter_of, with_filter};
use crate::{
    browser::Fields,
    layout::Page,
    parts::{cell, confirm, fact, number, reason, status, table, time},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

const REDRIVES: &str = "/api/v1/operations/redrives";

#[derive(Deserialize)]
struct DryRun {
    matching: u64,
    matching_complete: bool,
    examined: u64,
    would_replay: u64,
    outlooks: Vec<Outlook>,
}

#[derive(Deserialize)]
struct Outlook {
    outlook: String,
    reason: String,
    letters: u64,
    sample_id: String,
}

#[derive(Deserialize)]
struct Redrives {
    items: Vec<Redrive>,
}

#[derive(Deserialize)]
struct Redrive {
    id: String,
    state: String,
    state_at: String,
    state_reason: Option<String>,
    actor: String,
    reason: String,
    filter: Value,
    created_at: String,
    finished_at: Option<String>,
    estimated_end_at: Option<String>,
    total: u64,
    replayed: u64,
    resolved: u64,
    dead_again: u64,
    skipped: u64,
    under_way: u64,
    left: u64,
    canary: u64,
    rate_per_second: u64,
    stop_percent: u64,
}

/// What replaying all that match would come to, and the form that starts it.
pub(super) async fn dry_run(visit: &mut Visit) -> Result<Outcome, Failure> {
    let filter = filter_of(&visit.query);
    let found: DryRun =
        visit.api.post(&format!("{REDRIVES}/dry-run"), Some(&json!({ "filter": filter }))).await?.json()?;
    let effect = html! {
        p { b { (found.would_replay) } " of " (found.matching) @if !found.matching_complete { " or more" }
            " matching letters would be replayed: " (filter_in_words(&filter)) "." }
        @if !found.outlooks.is_empty() {
            p { "Of " (found.examined) " examined:" }
            ul.plain { @for outlook in &found.outlooks { li { (show_outlook(outlook)) } } }
        }
    };
    let fields = html! {
        (reason(true))
        div.row-of-fields {
            (number("canary", "Canary", "5", "1000", "Letters that have to end well before the rest follows."))
            (number("rate", "Replays a second", "20", "10000", "For what follows the canary."))
            (number("stop", "Stop at % deaths", "20", "100", "Of the newest 50 outcomes; 100 is never."))
        }
    };
    let back = with_filter("", &visit.query);
    let content = if found.would_replay == 0 {
        html! { h1 { "Dry run" } div.effect { (effect) } p { a.button href=(back) { "Back" } } }
    } else {
        confirm("Dry run", &effect, &fields, &format!("Redrive {}", found.would_replay), &back)
    };
    Ok(Page::new("Dry run", content).into())
}

fn show_outlook(outlook: &Outlook) -> Markup {
    html! {
        b.number { (outlook.letters) } " " (status(&outlook.outlook)) " " (outlook.reason) ", "
        a href={ (ROOT) "/dead-letters/" (outlook.sample_id) } { "for example" }
    }
}

/// A whole number that was filled in.
fn whole(form: &Fields, name: &str) -> Result<u64, Failure> {
    form.get(name).parse().map_err(|_| {
        let detail = format!("“{name}” has to be a whole number.");
        Problem::new(poem::http::StatusCode::BAD_REQUEST, "The form cannot be read", &detail).into()
    })
}

pub(super) async fn start(visit: &mut Visit) -> Result<Outcome, Failure> {
    let Some(form) = &visit.form else { return Err(Problem::not_found().into()) };
    let body = json!({
        "filter": filter_of(&visit.query),
        "reason": form.get("reason"),
        "canary": whole(form, "canary")?,
        "rate_per_second": whole(form, "rate")?.max(1),
        "stop_percent": whole(form, "stop")?,
    });
    let run: Redrive = visit.api.post(REDRIVES, Some(&body)).await?.json()?;
    Ok(Outcome::see_other(format!("{ROOT}/redrives/{}", run.id)))
}

pub(super) async fn route(visit: &mut Visit, rest: &[&str]) -> Result<Outcome, Failure> {
    match (rest, visit.form.is_some()) {
        ([], false) => list(visit).await,
        ([id], false) => page(visit, id).await,
        ([id, act @ ("pause" | "resume" | "abort")], _) => change(visit, id, act).await,
        _ => Err(Problem::not_found().into()),
    }
}

async fn list(visit: &mut Visit) -> Result<Outcome, Failure> {
    let runs: Redrives = visit.api.get(REDRIVES, &[("per_page", "50")]).await?;
    let rows: Vec<Markup> = runs.items.iter().map(row).collect();
    let columns = ["Started", "State", "Replayed", "Resolved", "Died again", "Reason", "By"];
    let empty = "Nothing was redriven yet. A redrive starts with a dry run of dead letters.";
    let content = html! { h1 { "Redrives" } (table("Redrives", &columns, &rows, empty)) };
    Ok(Page { live: true, ..Page::new("Redrives", content) }.into())
}

fn row(run: &Redrive) -> Markup {
    html! {
        th scope="row" { a.row href={ (ROOT) "/redrives/" (run.id) } { (time(&run.created_at)) } }
        (cell("State", &status(&run.state)))
        (cell("Replayed", &html! { span.number { (run.replayed) " of " (run.total) } }))
        (cell("Resolved", &html! { span.number { (run.resolved) } }))
        (cell("Died again", &html! { span.number { (run.dead_again) } }))
        (cell("Reason", &html! { (run.reason) }))
        (cell("By", &html! { (run.actor) }))
    }
}

async fn page(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let run: Redrive = visit.api.get(&format!("{REDRIVES}/{id}"), &[]).await?;
    let is_over = matches!(run.state.as_str(), "done" | "aborted");
    let content = html! {
        h1 { "Redrive" }
        p { (status(&run.state)) " since " (time(&run.state_at))
            @if let Some(reason) = &run.state_reason { ": " (reason) } }
        progress max=(run.total.max(1)) value=(run.replayed) aria-label="Replayed" {}
        dl.facts.counts {
            (fact("Replayed", &html! { (run.replayed) " of " (run.total) }))
            (fact("Resolved", &html! { (run.resolved) }))
            (fact("Died again", &html! { (run.dead_again) }))
            (fact("Under way", &html! { (run.under_way) }))
            (fact("Left", &html! { (run.left) }))
            (fact("Skipped", &html! { (run.skipped) }))
        }
        (acts(&run, is_over))
        dl.facts {
            (fact("Letters", &filter_in_words(&run.filter)))
            (fact("Why", &html! { (run.reason) }))
            (fact("By", &html! { (run.actor) }))
            (fact("Started", &time(&run.created_at)))
            @if let Some(at) = &run.finished_at { (fact("Ended", &time(at))) }
            @else if let Some(at) = &run.estimated_end_at { (fact("Ends about", &time(at))) }
            (fact("Canary", &html! { (run.canary) }))
            (fact("Rate", &html! { (run.rate_per_second) " a second" }))
            (fact("Stops at", &html! { (run.stop_percent) " % deaths" }))
        }
    };
    Ok(Page { live: !is_over, ..Page::new("Redrive", content) }.into())
}

fn acts(run: &Redrive, is_over: bool) -> Markup {
    let own = format!("{ROOT}/redrives/{}", run.id);
    let is_still = matches!(run.state.as_str(), "paused" | "stopped");
    html! {
        div.buttons {
            a.button href={ (ROOT) "/dead-letters?redrive_id=" (run.id) } { "Its letters" }
            @if !is_over {
                a.button href=(own) { "Refresh" }
                @if is_still { a.button.primary href={ (own) "/resume" } { "Resume …" } }
                @else { a.button href={ (own) "/pause" } { "Pause …" } }
                a.button href={ (own) "/abort" } { "Abort …" }
            }
        }
    }
}

/// Pauses, resumes or aborts it; the first visit only says what that does.
async fn change(visit: &mut Visit, id: &str, act: &str) -> Result<Outcome, Failure> {
    let own = format!("{ROOT}/redrives/{id}");
    if let Some(form) = &visit.form {
        let body = json!({ "reason": form.get("reason") });
        visit.api.post(&format!("{REDRIVES}/{id}/{act}"), Some(&body)).await?;
        return Ok(Outcome::see_other(own));
    }
    let run: Redrive = visit.api.get(&format!("{REDRIVES}/{id}"), &[]).await?;
    let effect = html! {
        p { b { (run.left) " of " (run.total) " letters" } " are left, " (run.under_way) " are under way." }
        p { (match act {
            "pause" => "No more are replayed until somebody resumes the run; what is under way ends.",
            "resume" => "The run goes on with what is left.",
            _ => "The run ends; what it has not replayed is dead as before.",
        }) }
    };
    let (title, button) = match act {
        "pause" => ("Pause a redrive", "Pause it"),
        "resume" => ("Resume a redrive", "Resume it"),
        _ => ("Abort a redrive", "Abort it"),
    };
    Ok(Page::new(title, confirm(title, &effect, &reason(true), button, &own)).into())
}
