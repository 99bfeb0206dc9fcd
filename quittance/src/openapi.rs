//! The OpenAPI document, for the repository and for whoever generates a client.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::say;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write it to this file instead
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Compare it with this file and fail when they differ
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    check: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(&api::openapi_document())? + "\n";
    if let Some(file) = &options.write {
        return std::fs::write(file, document).with_context(|| format!("{} cannot be written", file.display()));
    }
    if let Some(file) = &options.check {
        let committed = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        if committed != document {
            bail!("{0} is out of date; run `cargo run -- openapi --write {0}`", file.display());
        }
        return Ok(());
    }
    say(document.trim_end());
    Ok(())
}
