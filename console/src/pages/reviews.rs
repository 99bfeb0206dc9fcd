//! Payments that only a person can decide about.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::{
    payment::{LogEntry, timeline},
    payments::{Payments, list},
};
use crate::{
    api::Api,
    layout::Page,
    parts::{reason, status, time},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

const PAYMENTS: &str = "/api/v1/operations/payments";

#[derive(Deserialize)]
struct Review {
    external_id: String,
    status: String,
    since: String,
    before: Option<String>,
    lost: Option<String>,
    shown_text: String,
    cause: Option<LogEntry>,
    noted: Vec<LogEntry>,
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(rename = "as")]
    word: String,
    means: String,
}

/// The payments in review.
pub(super) async fn waiting(api: &mut Api, query: &[(&str, &str)]) -> Result<Payments, Failure> {
    api.get(PAYMENTS, query).await
}

pub(super) async fn route(visit: &mut Visit, rest: &[&str]) -> Result<Outcome, Failure> {
    match (rest, visit.form.is_some()) {
        ([], false) => {
            let waiting = waiting(&mut visit.api, &[("page", visit.query.get("page")), ("per_page", "50")]).await?;
            let content = html! {
                h1 { "Reviews" }
                p { (waiting.total) " waiting" }
                (list("Payments in review", &waiting.items, "reviews"))
            };
            Ok(Page::new("Reviews", content).into())
        }
        ([id], false) => page(visit, id).await,
        ([id], true) => decide(visit, id).await,
        _ => Err(Problem::not_found().into()),
    }
}

async fn page(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let review: Review = visit.api.get(&format!("{PAYMENTS}/{id}/review"), &[]).await?;
    let content = html! {
        h1 { "Review of " a href={ (ROOT) "/payments/" (id) } { (review.external_id) } }
        p { (status(&review.status)) " since " (time(&review.since))
            @if let Some(before) = &review.before { ", before that " (status(before)) } }
        div.effect {
            p { (review.shown_text) }
            @if let Some(lost) = &review.lost { p { (lost) } }
        }
        @if let Some(cause) = &review.cause { h2 { "Why" } (timeline(std::slice::from_ref(cause))) }
        @if !review.noted.is_empty() { h2 { "Evidence" } (timeline(&review.noted)) }
        (verdicts(&review.verdicts))
    };
    Ok(Page::new(format!("Review of {}", review.external_id), content).into())
}

fn verdicts(verdicts: &[Verdict]) -> Markup {
    html! {
        h2 { "Verdict" }
        @if verdicts.is_empty() { p.empty { "There is nothing to decide now." } }
        @else {
            form.act method="post" {
                fieldset {
                    legend { "What it is from now on" }
                    @for verdict in verdicts {
                        label.choice {
                            input type="radio" name="as" value=(verdict.word) required;
                            span { (status(&verdict.word)) " " (verdict.means) }
                        }
                    }
                }
                (reason(true))
                label.field {
                    span { "The word of the verdict once more" }
                    input name="typed" type="text" autocomplete="off" autocapitalize="none" required;
                    small { "Money may follow from it; typed, it is not an accident." }
                }
                div.buttons { button.primary type="submit" { "Decide" } }
            }
        }
    }
}

async fn decide(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let Some(form) = &visit.form else { return Err(Problem::not_found().into()) };
    let word = form.get("as");
    if form.get("typed").replace(' ', "_") != word {
        let detail = format!("The verdict is “{word}”, and “{}” was typed. Nothing was changed.", form.get("typed"));
        return Err(Problem::new(poem::http::StatusCode::BAD_REQUEST, "The words differ", &detail).into());
    }
    let body = json!({ "as": word, "reason": form.get("reason") });
    visit.api.post(&format!("{PAYMENTS}/{id}/resolve"), Some(&body)).await?;
    Ok(Outcome::see_other(format!("{ROOT}/payments/{id}")))
}
