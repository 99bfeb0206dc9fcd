//! Load and comparison programs: each prints a figure, the bare part measured beside it in the same run, and the ratio.
//! They drive the real binary over loopback and know nothing of its inside.
#![expect(clippy::float_arithmetic, reason = "rates, percentiles and ratios; no money is counted here")]

mod accept;
mod deals;
mod embedded;
mod engine;
mod figures;
mod http;
mod load;
mod merchant;
mod process;
mod strangers;
mod webhooks;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};

/// Measures Quittance beside the bare parts it is made of.
#[derive(Parser)]
#[command(version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Payments accepted over HTTP, beside single-row transactions on the same tables
    Accept(accept::Options),
    /// Deals opened on Anvil with one signer, beside a bare sender of one deal a transaction
    Deals(deals::Options),
    /// Strangers on the public routes, beside a merchant
    Strangers(strangers::Options),
    /// Events delivered to quick and slow receivers, beside a bare signed sender
    Webhooks(webhooks::Options),
}

/// One thread is enough for the load, and leaves the machine to what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // What speaks to a node may speak TLS, and that needs to know its cryptography first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match Cli::parse().command {
        Command::Accept(options) => accept::run(&options).await,
        Command::Deals(options) => deals::run(&options).await,
        Command::Strangers(options) => strangers::run(&options).await,
        Command::Webhooks(options) => webhooks::run(&options).await,
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr().lock(), "bench: {error:#}");
    ExitCode::FAILURE
}

/// Writes a line for the reader at the terminal.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
