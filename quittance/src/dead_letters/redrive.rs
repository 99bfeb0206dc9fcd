//! From a choice of letters to a run, and along with it to its end.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Filter, print};
use crate::{
    operator::{
        Client,
        terminal::{json, text},
    },
    output::print_line,
    redrives,
};

/// Letters that a run takes unless it is told otherwise.
const LIMIT: u32 = 100;

/// Replay letters: see what it would do, say yes, and follow it to its end
///
/// Prints first what matches and what each letter's job would do now. Then it asks, and starts a run in the workers: a few
/// letters first (the canary), whose outcomes it waits for, then the rest at a rate, oldest first, one at a time per payment.
/// It stops by itself when too many die again. A replay only resumes what was left: nothing is done a second time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance dead-letters redrive --fingerprint 5d8f0c1f2a3b4c5d --reason 'The node is back' --dry-run
  quittance dead-letters redrive --fingerprint 5d8f0c1f2a3b4c5d --reason 'The node is back'
  quittance dead-letters redrive 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b --reason 'The id was corrected' --yes
  quittance dead-letters redrive --queue open_deal.v1 --all --rate 50 --reason 'After the outage of the 21st'

Ctrl-C leaves the run going; `quittance redrives` looks at it, pauses, resumes and aborts it.")]
pub(super) struct Redrive {
    /// One letter; without it all that match the filter are meant
    id: Option<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// Why, 3 to 1000 characters; kept with the run and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// The oldest so many [default: 100]
    #[arg(long, value_name = "LETTERS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// All that match, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Replays a second
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Letters that have to end well before the rest follows; 0 for none
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    canary: u32,
    /// Stop when more than so many percent of the newest 50 outcomes are deaths; 100 never stops
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    stop_percent: u32,
    /// Do not follow the run
    #[arg(long)]
    detach: bool,
    /// Print the plan, and then the run, as the API answers them
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, redrive: Redrive) -> anyhow::Result<()> {
    let mut filter = redrive.filter;
    if let Some(id) = redrive.id {
        let letter = client.get(&format!("/operations/dead-letters/{id}"), &[]).await?;
        let state = text(&letter["letter"], "state");
        anyhow::ensure!(state == "dead", "letter {id} is {state}; only what is dead can be replayed");
        filter.message_id = text(&letter["letter"], "message_id").parse().ok();
    }
    let limit = (!redrive.all).then_some(redrive.limit.unwrap_or(LIMIT));
    let mut new_run = json!({ "filter": filter.body() });
    if let Some(limit) = limit {
        new_run["limit"] = json!(limit);
    }
    let plan = client.post("/operations/redrives/dry-run", &new_run).await?;
    let letters = plan["would_replay"].as_u64().unwrap_or_default();
    if redrive.json {
        print_line(&json(&plan));
    } else if letters == 0 {
        print_line("No dead letters match.");
    } else {
        print_line(&print::plan(&plan));
        if plan["matching"].as_u64() > Some(letters) {
            print_line(&format!("\nOnly the oldest {letters} are taken; --limit or --all takes more."));
        }
    }
    if redrive.dry_run || letters == 0 {
        return Ok(());
    }
    if !redrive.yes && !agreed(letters)? {
        print_line("Nothing was done.");
        return Ok(());
    }
    new_run["reason"] = json!(redrive.reason);
    new_run["rate_per_second"] = json!(redrive.rate);
    new_run["canary"] = json!(redrive.canary);
    new_run["stop_percent"] = json!(redrive.stop_percent);
    let run = client.post_once("/operations/redrives", &new_run).await?;
    if redrive.detach {
        print_line(&if redrive.json { json(&run) } else { redrives::started(&run) });
        return Ok(());
    }
    wait_for_end(client, &run, redrive.json).await
}

async fn wait_for_end(client: &Client, run: &Value, as_json: bool) -> anyhow::Result<()> {
    if !as_json {
        print_line(&redrives::started(run));
    }
    let id = text(run, "id");
    let ended = tokio::select! {
        ended = redrives::wait_for_end(client, &id, !as_json) => ended?,
        _ = tokio::signal::ctrl_c() => {
            print_line(&format!("\nThe run goes on in the workers. Look at it, or end it:\n  quittance redrives show {id}\n  \
                          quittance redrives abort {id} --reason '…'"));
            return Ok(());
        }
    };
    print_line(&if as_json { json(&ended) } else { redrives::details(&ended) });
    let died = ended["dead_again"].as_u64().unwrap_or_default();
    match ended["state"].as_str() {
        Some("done") if died == 0 => Ok(()),
        Some("done") => bail!("{died} letters died again; `quittance dead-letters groups` tells of what"),
        _ => bail!("the run is {}", text(&ended, "state")),
    }
}

/// Asks whoever sits at the terminal.
fn agreed(letters: u64) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is nobody to ask; pass --yes to replay these {letters} letters, or --dry-run");
    }
    let mut out = std::io::stdout();
    write!(out, "\nReplay {letters} letters? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
