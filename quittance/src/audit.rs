//! `quittance audit`: who has done what, over the API of a running instance.

use clap::Args;
use serde_json::Value;

use crate::{
    operator::{
        Access, Client,
        terminal::{self, text},
    },
    output::print_line,
    settings::Settings,
};

/// Who has done what: changes of the configuration, operators' acts, and sign-ins that failed, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance audit
  quittance audit --action signer.pause
  quittance audit --object signer 0197f7a3-0000-7000-8000-000000000001
  quittance audit --all --json > audit.jsonl")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    /// Only this action, such as redrive.create
    #[arg(long)]
    action: Option<String>,
    /// Only acts of the integration or user with this id
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only acts on this thing
    #[arg(long, num_args = 2, value_names = ["TYPE", "ID"])]
    object: Option<Vec<String>>,
    /// All there are, and not the newest hundred alone
    #[arg(long)]
    all: bool,
    /// Print each entry as it is, one a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    let mut query = vec![("per_page", "100".to_owned())];
    query.extend(options.action.map(|action| ("action", action)));
    query.extend(options.actor.map(|actor| ("actor_id", actor)));
    query.extend(["object_type", "object_id"].into_iter().zip(options.object.into_iter().flatten()));
    let mut cursor = None;
    loop {
        let mut wanted = query.clone();
        wanted.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = client.get("/operations/audit", &wanted).await?;
        for entry in page["items"].as_array().into_iter().flatten() {
            print_line(&if options.json { terminal::json_line(entry) } else { line(entry) });
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || !options.all {
            return Ok(());
        }
    }
}

/// An act in a line: when, what, to what, by whom, with which values.
fn line(entry: &Value) -> String {
    let time = terminal::time(entry, "created_at");
    let (object, actor) = (text(entry, "object_id"), text(entry, "actor_id"));
    let by =
        if actor.is_empty() { text(entry, "actor_type") } else { format!("{} {actor}", text(entry, "actor_type")) };
    let data = terminal::clean(&entry["data"].to_string());
    format!("{time}  {:<24} {} {object}  by {by}  {data}", text(entry, "action"), text(entry, "object_type"))
}
