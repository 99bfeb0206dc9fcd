//! `quittance redrives`: runs over dead letters, looked at and held, over the API of a running instance.

mod progress;

use std::fmt::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::progress::wait_for_end;
use crate::{
    operator::{
        Access, Client,
        terminal::{self, clean, text, time},
    },
    output::print_line,
    settings::Settings,
};

/// Runs that replay dead letters: look at them, pause, resume and abort them
///
/// `quittance dead-letters redrive` starts one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance redrives list
  quittance redrives show 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b --follow
  quittance redrives pause 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b --reason 'The node is slow today'")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The newest first
    List {
        /// In this state: claiming, canary, running, paused, stopped, done or aborted
        #[arg(long)]
        state: Option<String>,
        /// Continue after the page that named this
        #[arg(long)]
        cursor: Option<String>,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    /// Where a run stands, and what became of its letters
    Show {
        /// The run
        id: Uuid,
        /// Follow it to its end
        #[arg(long, short)]
        follow: bool,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    /// Replay nothing more until it is resumed; what is on its way goes on
    Pause(Act),
    /// Let a run go on that was paused, or has stopped because too many died again
    Resume(Act),
    /// End a run; what it has not replayed is dead again
    Abort(Act),
}

#[derive(Debug, Args)]
struct Act {
    /// The run
    id: Uuid,
    /// Why, 3 to 1000 characters; kept with the run and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    match options.command {
        Command::List { state, cursor, json } => {
            let mut query = vec![("per_page", "50".to_owned())];
            query.extend(state.map(|state| ("state", state)));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page = client.get("/operations/redrives", &query).await?;
            print_line(&if json { terminal::json(&page) } else { list(&page) });
        }
        Command::Show { id, follow: to_the_end, json } => {
            let run = match to_the_end {
                true => wait_for_end(&client, &id.to_string(), !json).await?,
                false => client.get(&format!("/operations/redrives/{id}"), &[]).await?,
            };
            print_line(&if json { terminal::json(&run) } else { details(&run) });
        }
        Command::Pause(act) => held(&client, "pause", act).await?,
        Command::Resume(act) => held(&client, "resume", act).await?,
        Command::Abort(act) => held(&client, "abort", act).await?,
    }
    Ok(())
}

async fn held(client: &Client, what: &str, Act { id, reason, json }: Act) -> anyhow::Result<()> {
    let run = client.post(&format!("/operations/redrives/{id}/{what}"), &json!({ "reason": reason })).await?;
    print_line(&if json { terminal::json(&run) } else { format!("Redrive {id} is {}.", text(&run, "state")) });
    Ok(())
}

/// The text about a run that was just started.
pub(crate) fn started(run: &Value) -> String {
    format!("Redrive {} is started.", text(run, "id"))
}

fn list(page: &Value) -> String {
    let runs = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<String> = runs
        .iter()
        .map(|run| {
            format!("{}  {}  {}  {}", text(run, "id"), time(run, "created_at"), counts(run), text(run, "reason"))
        })
        .collect();
    match page["next_cursor"].as_str() {
        Some(cursor) => lines.push(format!("More: --cursor {}", clean(cursor))),
        None if lines.is_empty() => lines.push("No redrives.".to_owned()),
        None => {}
    }
    lines.join("\n")
}

/// How far the run is, in a line.
pub(crate) fn counts(run: &Value) -> String {
    let mut rendered = format!(
        "{:<8}  {} of {} replayed, {} resolved, {} died again",
        text(run, "state"),
        text(run, "replayed"),
        text(run, "total"),
        text(run, "resolved"),
        text(run, "dead_again"),
    );
    if run["skipped"].as_u64() > Some(0) {
        let _ = write!(rendered, ", {} skipped", text(run, "skipped"));
    }
    rendered
}

/// How far the run is, with all that belongs to it.
pub(crate) fn details(run: &Value) -> String {
    let mut rendered = format!("Redrive {}: {}.", text(run, "id"), counts(run));
    if !run["state_reason"].is_null() {
        let by = run["state_by"].as_str().map(|by| format!(" (by {})", clean(by))).unwrap_or_default();
        let _ = write!(rendered, "\n  {} because: {}{by}", text(run, "state"), text(run, "state_reason"));
    }
    let _ =
        write!(rendered, "\n  Started {} by {}: {}", time(run, "created_at"), text(run, "actor"), text(run, "reason"));
    let _ = write!(rendered, "\n  Letters: {}", terminal::json_line(&run["filter"]));
    let _ = write!(rendered, "\n  At {} a second, canary of {}", text(run, "rate_per_second"), text(run, "canary"));
    if !run["estimated_end_at"].is_null() {
        let _ = write!(rendered, ", the last at about {}", time(run, "estimated_end_at"));
    }
    if !run["finished_at"].is_null() {
        let _ = write!(rendered, "\n  Ended {}", time(run, "finished_at"));
    }
    rendered
}
