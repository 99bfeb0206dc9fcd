//! `quittance dead-letters`: what could not be done, why, and what is to become of it, over the API of a running instance.

mod export;
mod filter;
mod print;
mod redrive;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use self::filter::Filter;
use crate::{
    operator::{Access, Client, terminal},
    output::print_line,
    process,
    settings::Settings,
};

/// Messages that nobody will try again by themselves: find out why, and redrive, edit or discard them
///
/// A dead letter is a message whose job gave it up, with all that is needed to understand it and to do it once more. Begin
/// with `groups`: it tells how many died of what. `show` one of them, remove the cause, and `redrive` the group.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance dead-letters groups
  quittance dead-letters show 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b
  quittance dead-letters redrive --fingerprint 5d8f0c1f2a3b4c5d --reason 'The node is back' --dry-run
  quittance dead-letters redrive --fingerprint 5d8f0c1f2a3b4c5d --reason 'The node is back'
  quittance dead-letters export --queue open_deal.v1 --to letters.ndjson

On another machine, say where and who:
  QUITTANCE_URL=https://pay.example QUITTANCE_API_KEY=qk_… QUITTANCE_API_SECRET=qs_… quittance dead-letters groups")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How many died of what, the largest group first: the place to begin
    Groups {
        #[command(flatten)]
        filter: Filter,
        /// In this state: dead, claimed, replayed, resolved, dead_again, discarded or replaced
        #[arg(long, default_value = "dead")]
        state: String,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    /// The newest first
    List(List),
    /// One with its body, headers and every death, and what replaying it would do now
    Show {
        /// The letter
        id: Uuid,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    Redrive(redrive::Redrive),
    /// Decide that nothing is to be done about a letter, or about all that match; it can be restored
    #[command(after_help = "Examples:
  quittance dead-letters discard 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b --reason 'Paid in cash'
  quittance dead-letters discard --fingerprint 5d8f0c1f2a3b4c5d --reason 'Load test of the old shop'")]
    Discard(Judge),
    /// Make a discarded letter, or all that match, dead again
    Restore(Judge),
    /// Put a letter with another body in the place of one
    ///
    /// Off by default: the API's setting operations.edit_dead_letters allows it. The new body is checked against what its job
    /// reads; the new letter is a message of its own and is dead until it is redriven, the old one and the difference are
    /// kept.
    #[command(after_help = "Example:
  quittance dead-letters edit 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b \\
    --body '{\"payment_id\":\"0197f7a3-0000-7d3e-9c7a-5d8f0c1f2a3b\"}' --reason 'The id was cut off'")]
    Edit {
        /// The letter
        id: Uuid,
        /// The whole new body
        #[arg(long, value_name = "JSON")]
        body: String,
        /// Why, 3 to 1000 characters
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    Export(export::Export),
    /// Put one letter back on its queue without an instance: straight on the database that the configuration names
    ///
    /// For when no API answers. It resumes what was left, never begins a second time, and leaves no row in the audit log.
    Replay {
        /// The letter
        id: Uuid,
    },
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// In this state: dead, claimed, replayed, resolved, dead_again, discarded or replaced
    #[arg(long, default_value = "dead", conflicts_with = "any_state")]
    state: String,
    /// In any state
    #[arg(long)]
    any_state: bool,
    /// How many, at most 100
    #[arg(long, default_value_t = 50, value_name = "LETTERS", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Continue after the page that named this
    #[arg(long)]
    cursor: Option<String>,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
}

/// One letter, or all that match.
#[derive(Debug, Args)]
struct Judge {
    /// The letter; without one all that match the filter are meant
    id: Option<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// All letters there are, without any filter
    #[arg(long)]
    all: bool,
    /// Why, 3 to 1000 characters; kept with the letters and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    if let Command::Replay { id } = options.command {
        let (db, _) = process::connect(&settings.clone().complete()?).await?;
        let message_id = queue::dead_letters::replay(&db, id).await?;
        print_line(&format!("Back on its queue as {message_id}; a running worker takes it within seconds."));
        return Ok(());
    }
    let client = Client::sign_in(settings, options.access).await?;
    match options.command {
        Command::Groups { filter, state, json } => {
            let mut query = filter.query();
            query.retain(|(name, _)| !matches!(*name, "fingerprint" | "message_id"));
            query.extend([("state", state), ("per_page", "100".to_owned())]);
            print_result(&client.get("/operations/dead-letters/groups", &query).await?, json, print::groups);
        }
        Command::List(list) => {
            let mut query = list.filter.query();
            query.push(("per_page", list.limit.to_string()));
            query.extend((!list.any_state).then_some(("state", list.state)));
            query.extend(list.cursor.map(|cursor| ("cursor", cursor)));
            print_result(&client.get("/operations/dead-letters", &query).await?, list.json, print::list);
        }
        Command::Show { id, json } => {
            print_result(&client.get(&format!("/operations/dead-letters/{id}"), &[]).await?, json, print::details);
        }
        Command::Redrive(redrive) => redrive::run(&client, redrive).await?,
        Command::Discard(judge) => judged(&client, "discard", judge).await?,
        Command::Restore(judge) => judged(&client, "restore", judge).await?,
        Command::Edit { id, body, reason } => {
            let edit = json!({ "body": body, "reason": reason });
            let edited = client.post(&format!("/operations/dead-letters/{id}/edit"), &edit).await?;
            print_line(&print::edited(&edited));
        }
        Command::Export(export) => export::run(&client, export).await?,
        Command::Replay { .. } => {}
    }
    Ok(())
}

fn print_result(answer: &Value, json: bool, print: fn(&Value) -> String) {
    print_line(&if json { terminal::json(answer) } else { print(answer) });
}

async fn judged(client: &Client, what: &str, judge: Judge) -> anyhow::Result<()> {
    let Judge { id, filter, all, reason } = judge;
    if let Some(id) = id {
        let letter =
            client.post(&format!("/operations/dead-letters/{id}/{what}"), &json!({ "reason": reason })).await?;
        let state = terminal::text(&letter, "state");
        match letter["consequence"].as_str() {
            Some(consequence) => print_line(&format!("Letter {id} is {state}. {}", terminal::clean(consequence))),
            None => print_line(&format!("Letter {id} is {state}.")),
        }
        return Ok(());
    }
    let filter = filter.body();
    anyhow::ensure!(all || filter != json!({}), "name a letter or a filter, or say --all");
    let mut changed = 0;
    loop {
        let body = json!({ "filter": filter, "reason": reason });
        let done = client.post(&format!("/operations/dead-letters/{what}"), &body).await?;
        changed += done["changed"].as_u64().unwrap_or_default();
        print_line(&format!("{changed} letters"));
        if done["complete"] != json!(false) {
            return Ok(());
        }
    }
}
