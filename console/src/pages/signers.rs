//! Keys that sign, what they have left, and stopping them.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Number, json};

use crate::{
    api::Api,
    layout::Page,
    parts::{Light, cell, confirm, count, fact, light, reason, status, table, time_or_none},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

const SIGNERS: &str = "/api/v1/signers";

#[derive(Deserialize)]
pub(super) struct Signers {
    pub(super) items: Vec<Signer>,
    pub(super) total: u64,
}

#[derive(Deserialize)]
pub(super) struct Signer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) lanes: Vec<Lane>,
    address: String,
    paused_at: Option<String>,
    pause_reason: Option<String>,
    gas_per_day: Option<Number>,
    spend_per_day_wei: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Lane {
    network_id: String,
    balance_wei: Option<String>,
    pending: u64,
    held_back: u64,
    held_back_by: Option<String>,
    paused_at: Option<String>,
    paused_reason: Option<String>,
}

impl Signer {
    /// Whether it, or one of its lanes, signs nothing for now.
    pub(super) fn is_paused(&self) -> bool {
        self.paused_at.is_some() || self.lanes.iter().any(|lane| lane.paused_at.is_some())
    }
}

impl Lane {
    /// The balance in ether, exactly.
    pub(super) fn balance(&self) -> String {
        self.balance_wei.as_deref().map_or_else(|| "balance unknown".to_owned(), |wei| format!("{} ETH", ether(wei)))
    }
}

/// Wei as ether, by moving the point in the text.
fn ether(wei: &str) -> String {
    let padded = format!("{wei:0>19}");
    let (whole, fraction) = padded.split_at(padded.len() - 18);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// The signers within reach.
pub(super) async fn all(api: &mut Api) -> Result<Signers, Failure> {
    api.get(SIGNERS, &[("per_page", "100")]).await
}

pub(super) async fn route(visit: &mut Visit, rest: &[&str]) -> Result<Outcome, Failure> {
    match (rest, visit.form.is_some()) {
        ([], false) => list(visit).await,
        (["pause"], _) => stop_all(visit).await,
        ([id], false) => page(visit, id).await,
        ([id, act @ ("pause" | "resume")], _) => change(visit, id, act).await,
        _ => Err(Problem::not_found().into()),
    }
}

async fn list(visit: &mut Visit) -> Result<Outcome, Failure> {
    let signers = all(&mut visit.api).await?;
    let rows: Vec<Markup> = signers.items.iter().map(row).collect();
    let content = html! {
        h1 { "Signers" }
        @if !signers.items.is_empty() {
            div.buttons { a.button.danger href={ (ROOT) "/signers/pause" } { "Pause all …" } }
        }
        (table("Signers", &["Signer", "State", "Balances", "Pending", "Address"], &rows, "There are no signers."))
    };
    Ok(Page::new("Signers", content).into())
}

fn state(signer: &Signer) -> Markup {
    if signer.is_paused() { status("paused") } else { light(Light::Green, "signs") }
}

fn row(signer: &Signer) -> Markup {
    let pending: u64 = signer.lanes.iter().map(|lane| lane.pending).sum();
    html! {
        th scope="row" { a.row href={ (ROOT) "/signers/" (signer.id) } { (signer.name) } }
        (cell("State", &state(signer)))
        (cell("Balances", &html! { @for lane in &signer.lanes { span.number { (lane.balance()) } br; } }))
        (cell("Pending", &html! { span.number { (pending) } }))
        (cell("Address", &html! { code { (signer.address) } }))
    }
}

async fn page(visit: &mut Visit, id: &str) -> Result<Outcome, Failure> {
    let signer: Signer = visit.api.get(&format!("{SIGNERS}/{id}"), &[]).await?;
    let act = if signer.paused_at.is_some() { "resume" } else { "pause" };
    let lanes: Vec<Markup> = signer.lanes.iter().map(lane).collect();
    let unlimited = || html! { span.muted { "no limit" } };
    let content = html! {
        h1 { "Signer " (signer.name) }
        p { (state(&signer)) " " (signer.pause_reason.as_deref().unwrap_or_default()) }
        div.buttons { a.button href={ (ROOT) "/signers/" (id) "/" (act) } { @if act == "pause" { "Pause …" } @else { "Resume …" } } }
        dl.facts {
            (fact("Address", &html! { code { (signer.address) } }))
            (fact("Paused since", &time_or_none(signer.paused_at.as_deref())))
            (fact("Gas a day", &signer.gas_per_day.as_ref().map_or_else(unlimited, |gas| html! { (gas.to_string()) })))
            (fact("Spend a day", &signer.spend_per_day_wei.as_deref().map_or_else(unlimited, |wei| html! { (ether(wei)) " ETH" })))
        }
        h2 { "Networks" }
        (table("Networks", &["Network", "Balance", "Pending", "Held back", "Paused"], &lanes, "It has signed nothing yet."))
    };
    Ok(Page::new(format!("Signer {}", signer.name), content).into())
}

fn lane(lane: &Lane) -> Markup {
    html! {
        th scope="row" { code { (lane.network_id) } }
        (cell("Balance", &html! { span.number { (lane.balance()) } }))
        (cell("Pending", &html! { span.number { (lane.pending) } }))
        (cell("Held back", &html! { (lane.held_back) " " (lane.held_back_by.as_deref().unwrap_or_default()) }))
        (cell("Paused", &html! { (time_or_none(lane.paused_at.as_deref())) " " (lane.paused_reason.as_deref().unwrap_or_default()) }))
    }
}

/// Pauses or resumes one; the first visit only says what that does.
async fn change(visit: &mut Visit, id: &str, act: &str) -> Result<Outcome, Failure> {
    let (path, own) = (format!("{SIGNERS}/{id}"), format!("{ROOT}/signers/{id}"));
    if let Some(form) = &visit.form {
        let body = (act == "pause").then(|| json!({ "reason": form.get("reason") }));
        visit.api.post(&format!("{path}/{act}"), body.as_ref()).await?;
        return Ok(Outcome::see_other(own));
    }
    let signer: Signer = visit.api.get(&path, &[]).await?;
    let pending: u64 = signer.lanes.iter().map(|lane| lane.pending).sum();
    let effect = html! {
        p { b { "1 signer" } ", " (signer.name) ", with " (count(pending, "transaction", "transactions")) " pending." }
        @if act == "pause" { p { "It signs nothing more until somebody resumes it; what is signed already goes on." } }
        @else { p { "It signs again what waits for it." } }
    };
    let fields = if act == "pause" {
        reason(true)
    } else {
        html! {}
    };
    let (title, button) =
        if act == "pause" { ("Pause a signer", "Pause it") } else { ("Resume a signer", "Resume it") };
    Ok(Page::new(title, confirm(title, &effect, &fields, button, &own)).into())
}

/// The red button.
async fn stop_all(visit: &mut Visit) -> Result<Outcome, Failure> {
    let own = format!("{ROOT}/signers");
    if let Some(form) = &visit.form {
        visit.api.post(&format!("{SIGNERS}/pause"), Some(&json!({ "reason": form.get("reason") }))).await?;
        return Ok(Outcome::see_other(own));
    }
    let signers = all(&mut visit.api).await?;
    let effect = html! {
        p { b { (count(signers.total, "signer", "signers")) } " within your reach." }
        p { "None of them signs anything more until somebody resumes it, each for itself." }
    };
    let content = confirm("Pause all signers", &effect, &reason(true), "Pause all", &own);
    Ok(Page::new("Pause all signers", content).into())
}

#[cfg(test)]
mod tests {
    use super::ether;

    #[test]
    fn wei_become_ether_exactly() {
        for (wei, shown) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("1000000000000000000", "1"),
            ("999996543219999999999", "999.996543219999999999"),
        ] {
            assert_eq!(ether(wei), shown);
        }
    }
}
