//! The binary: configuration, wiring, command line.

mod audit;
mod banner;
mod bootstrap;
mod chain_queries;
mod cli;
mod dead_letters;
mod demo;
mod diamonds;
mod doctor;
mod embedded;
mod events;
mod failpoints;
mod files;
mod gateway_registry;
mod ledger;
mod listen;
mod logging;
mod manual;
mod node;
mod openapi;
mod operator;
mod output;
mod process;
mod queues;
mod rates;
mod recorder;
mod redrives;
mod reviews;
mod safety;
mod secrets;
mod settings;
mod signers;

use std::process::ExitCode;

use clap::Parser;

/// Gives memory of a storm back: with the system's allocator a load of strangers left twice as much behind.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The one TLS stack of the whole process; everything that speaks TLS takes it from here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    failpoints::watch();
    let cli = cli::Cli::parse();
    if !cli.writes_for_others() {
        files::keep_private();
    }
    match tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(cli.run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}
