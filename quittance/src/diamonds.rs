//! `quittance diamonds`: who rules the installation's contracts, and what their owner has to sign, with a key that is not here.

mod act;
mod cut_file;
mod list;
mod places;
mod prepare;
mod safe;
mod words;

use alloy::primitives::Address;
use clap::{Args, Subcommand};

use crate::{process, settings::Settings};

/// Who owns and operates the contracts that hold deposits, and the transactions with which their owner changes that
///
/// A diamond's owner is best an address whose key lies in a safe, or a multi-signature wallet. This command has no key: it says
/// what to sign, as calldata or as a file for Safe's Transaction Builder, and tries it first. It reads the database itself and
/// asks the networks' nodes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance diamonds list
  quittance diamonds prepare add-operator 0x… --diamond 0x…
  quittance diamonds prepare transfer-ownership 0x… --diamond 0x… --safe batch.json

What is prepared is signed elsewhere: import the file of --safe in Safe's Transaction Builder, or send `data` to `to` with any
wallet that has the owner's key, for example
  cast send --ledger $TO $DATA")]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The diamonds with their owners, operators and what is announced, as their contracts say now
    #[command(after_help = "Examples:
  quittance diamonds list
  quittance diamonds list --json | jq '.[] | select(.pending_cut != null)'")]
    List {
        /// Print everything as JSON
        #[arg(long)]
        json: bool,
    },
    Prepare(prepare::Prepare),
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let settings = settings.clone().complete()?;
    let (db, _) = process::connect(&settings).await?;
    match options.command {
        Command::List { json } => list::run(&settings, &db, json).await,
        Command::Prepare(prepare) => prepare::run(&db, prepare).await,
    }
}

/// An address of the command line, whose capitals are its checksum where it has some.
fn address(text: &str) -> Result<Address, String> {
    if !payments::evm_address::is_valid(text) {
        return Err(
            "is no address: 0x and 40 hexadecimal digits, in lower case or with the checksum's capitals".to_owned()
        );
    }
    text.parse().map_err(|_| "is no address".to_owned())
}
