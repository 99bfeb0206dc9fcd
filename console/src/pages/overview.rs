//! How everything is, each part with a link to where more is known.

use std::collections::BTreeMap;

use maud::{Markup, html};
use poem::http::Method;
use serde::Deserialize;

use super::{dead_letters, queues::QueueList, reviews, signers, webhooks};
use crate::{
    layout::Page,
    parts::{Light, count, light, status},
    place::ROOT,
    problem::Failure,
    visit::{Outcome, Visit},
};

#[derive(Deserialize)]
struct Health {
    status: String,
    #[serde(default)]
    parts: BTreeMap<String, Part>,
}

#[derive(Deserialize)]
struct Part {
    status: String,
    detail: Option<String>,
}

/// One part of the installation.
struct Tile {
    title: &'static str,
    place: &'static str,
    light: Light,
    word: String,
    more: Markup,
}

pub(super) async fn page(visit: &mut Visit) -> Result<Outcome, Failure> {
    let tiles = [
        letters(visit).await?,
        reviews(visit).await?,
        signers(visit).await?,
        webhooks(visit).await?,
        queues(visit).await?,
        health(visit).await?,
    ];
    let content = html! {
        h1 { "Overview" }
        div.tiles { @for tile in &tiles { (show(tile)) } }
    };
    Ok(Page { live: true, ..Page::new("Overview", content) }.into())
}

fn show(tile: &Tile) -> Markup {
    html! {
        section.tile {
            h2 { @if tile.place.is_empty() { (tile.title) } @else { a href={ (ROOT) (tile.place) } { (tile.title) } } }
            p { (light(tile.light, &tile.word)) }
            (tile.more)
        }
    }
}

/// A tile, or why there is none: what one role may not see must not take the page away.
fn tile_of<T>(
    title: &'static str,
    place: &'static str,
    found: Result<T, Failure>,
    show: impl FnOnce(T) -> (Light, String, Markup),
) -> Result<Tile, Failure> {
    let (light, word, more) = match found {
        Ok(found) => show(found),
        Err(Failure::SignIn) => return Err(Failure::SignIn),
        Err(Failure::Refused(problem)) => {
            (Light::Grey, "not shown".to_owned(), html! { p.muted { (problem.sentence()) } })
        }
    };
    Ok(Tile { title, place, light, word, more })
}

async fn health(visit: &mut Visit) -> Result<Tile, Failure> {
    // A part that is down makes it 503, with the same report.
    let answer = visit.api.send(Method::GET, "/health/ready", None).await?;
    tile_of("Health", "", answer.json(), |health: Health| {
        let light = match health.status.as_str() {
            "up" => Light::Green,
            "degraded" => Light::Amber,
            _ => Light::Red,
        };
        let parts = html! {
            ul.plain {
                @for (name, part) in &health.parts {
                    li { (name) ": " (status(&part.status)) @if let Some(detail) = &part.detail { " " span.muted { (detail) } } }
                }
            }
        };
        (light, health.status.clone(), parts)
    })
}

async fn letters(visit: &mut Visit) -> Result<Tile, Failure> {
    let groups = dead_letters::groups(&mut visit.api, &[("per_page", "5")]).await;
    tile_of("Dead letters", "/dead-letters", groups, |groups| {
        if groups.letters == 0 {
            return (Light::Green, "none".to_owned(), html! {});
        }
        let causes = html! {
            ul.plain {
                @for group in &groups.items {
                    li { a.row href=(group.address()) { b { (group.letters) } " " (group.kind) ": " (group.error_code) }
                        span.muted.clip { (group.sample_message) } }
                }
            }
        };
        (Light::Red, count(groups.letters, "letter", "letters"), causes)
    })
}

async fn reviews(visit: &mut Visit) -> Result<Tile, Failure> {
    let waiting = reviews::waiting(&mut visit.api, &[("per_page", "5")]).await;
    tile_of("Reviews", "/reviews", waiting, |waiting| {
        let rows = html! {
            ul.plain { @for payment in &waiting.items { li { a.row href={ (ROOT) "/reviews/" (payment.id) } { (payment.external_id) } } } }
        };
        match waiting.total {
            0 => (Light::Green, "none waiting".to_owned(), rows),
            total => (Light::Amber, format!("{total} waiting"), rows),
        }
    })
}

async fn signers(visit: &mut Visit) -> Result<Tile, Failure> {
    let all = signers::all(&mut visit.api).await;
    tile_of("Signers", "/signers", all, |all| {
        let paused = all.items.iter().filter(|signer| signer.is_paused()).count();
        let rows = html! {
            ul.plain {
                @for signer in all.items.iter().take(5) {
                    li { a.row href={ (ROOT) "/signers/" (signer.id) } { (signer.name) } " "
                        @if signer.is_paused() { (status("paused")) }
                        @for lane in &signer.lanes { " " span.number { (lane.balance()) } } }
                }
            }
        };
        match paused {
            0 => (Light::Green, count(all.total, "signer", "signers"), rows),
            _ => (Light::Amber, format!("{paused} paused"), rows),
        }
    })
}

async fn webhooks(visit: &mut Visit) -> Result<Tile, Failure> {
    let all = webhooks::all(&mut visit.api, "1").await;
    tile_of("Webhooks", "/webhooks", all, |all| {
        let failing: Vec<_> = all.items.iter().filter(|endpoint| endpoint.fails()).collect();
        let rows = html! {
            ul.plain {
                @for endpoint in failing.iter().take(5) {
                    li { a.row href={ (ROOT) "/webhooks/" (endpoint.id) } { (endpoint.url) } " " (endpoint.light()) }
                }
            }
        };
        match failing.len() {
            0 => (Light::Green, count(all.total, "endpoint", "endpoints"), rows),
            failing => (Light::Red, format!("{failing} failing"), rows),
        }
    })
}

async fn queues(visit: &mut Visit) -> Result<Tile, Failure> {
    let list = visit.api.get::<QueueList>("/api/v1/operations/queues", &[]).await;
    tile_of("Queues", "/queues", list, |list| {
        let problems: Vec<_> = list.items.iter().filter(|queue| queue.problem.is_some()).collect();
        let waiting: u64 = list.items.iter().map(|queue| queue.waiting).sum();
        let workless = list.items.iter().all(|queue| queue.workers == 0);
        let rows = html! {
            ul.plain {
                @for queue in &problems { li { (queue.name) " " span.muted { (queue.problem.as_deref().unwrap_or_default()) } } }
                @if workless { li { "Nobody works: no worker has reported." } }
            }
        };
        let colour = if problems.is_empty() && !workless { Light::Green } else { Light::Red };
        (colour, format!("{waiting} waiting"), rows)
    })
}
