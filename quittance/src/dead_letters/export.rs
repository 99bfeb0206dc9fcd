//! Letters as lines of JSON.

use std::{fs::File, io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;

use super::Filter;
use crate::operator::{Client, terminal};

/// Write letters with bodies and headers as NDJSON, one a line, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance dead-letters export --to letters.ndjson
  quittance dead-letters export --queue open_deal.v1 | jq -r .error_message | sort | uniq -c")]
pub(super) struct Export {
    #[command(flatten)]
    filter: Filter,
    /// In this state: dead, claimed, replayed, resolved, dead_again, discarded or replaced; in any when left out
    #[arg(long)]
    state: Option<String>,
    /// Into this file, which must not exist; to standard output when left out
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// A page at a time, so that neither side holds them all.
pub(super) async fn run(client: &Client, export: Export) -> anyhow::Result<()> {
    let mut out: Box<dyn Write + Send> = match &export.to {
        Some(path) => Box::new(File::create_new(path).with_context(|| format!("--to {}", path.display()))?),
        None => Box::new(std::io::stdout()),
    };
    let mut query = export.filter.query();
    query.extend([("bodies", "true".to_owned()), ("per_page", "100".to_owned())]);
    query.extend(export.state.map(|state| ("state", state)));
    let mut cursor: Option<String> = None;
    loop {
        let mut page = query.clone();
        page.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer = client.get("/operations/dead-letters", &page).await?;
        for letter in answer["items"].as_array().into_iter().flatten() {
            writeln!(out, "{}", terminal::json_line(letter))?;
        }
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            out.flush()?;
            return Ok(());
        }
    }
}
