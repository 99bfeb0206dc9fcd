//! The OpenAPI documents, for the repository and for whoever generates a client.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use api::{CONTRACTS, Contract};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::Value;

use crate::output::print_line;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only what belongs to this contract
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(CONTRACTS.all().iter().map(|one| one.name())))]
    contract: Option<String>,
    /// Write it to this file instead; all documents, if it is a folder
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Compare it with this file and fail when they differ; all documents, if it is a folder
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    check: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let contract = options.contract.as_deref().and_then(|name| CONTRACTS.named(name));
    if let Some(path) = &options.write {
        for (file, document) in documents(contract, path) {
            std::fs::write(&file, text(&document)?).with_context(|| format!("{} cannot be written", file.display()))?;
        }
        return Ok(());
    }
    if let Some(path) = &options.check {
        for (file, document) in documents(contract, path) {
            let committed = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
            if committed != text(&document)? {
                bail!("{} is out of date; run `cargo run -- openapi --write {}`", file.display(), path.display());
            }
        }
        return Ok(());
    }
    let (_, document) = one(contract, PathBuf::new());
    print_line(text(&document)?.trim_end());
    Ok(())
}

/// The documents that belong at the path, each with its file.
fn documents(contract: Option<&'static Contract>, path: &Path) -> Vec<(PathBuf, Value)> {
    if !path.is_dir() {
        return vec![one(contract, path.to_owned())];
    }
    let all = std::iter::once(None).chain(CONTRACTS.all().iter().copied().map(Some));
    let wanted = all.filter(|one| contract.is_none() || *one == contract);
    wanted.map(|contract| one(contract, path.join(file_name(contract)))).collect()
}

fn one(contract: Option<&'static Contract>, file: PathBuf) -> (PathBuf, Value) {
    (file, contract.map_or_else(api::openapi_document, api::openapi_document_of))
}

fn file_name(contract: Option<&'static Contract>) -> String {
    format!("{}.json", contract.map_or("quittance", Contract::name))
}

fn text(document: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
