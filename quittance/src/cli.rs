//! The command line.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{
    bootstrap, dead_letters, demo, doctor, embedded, ledger, listen, logging, manual, openapi, process, queues, rates,
    redrives, reviews, settings::Settings,
};

/// Takes payments and carries each to exactly one true outcome.
///
/// Without a command, everything runs in this one process on files in the data folder: a SQLite database, an in-process
/// broker and a development chain. Point it at PostgreSQL, RabbitMQ and an EVM node by configuration, and run `api` and
/// `worker` as often as you like.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Settings that are wanted often enough to have an option; all others come from the file and the environment.
#[derive(Debug, Default, Args)]
pub(crate) struct Overrides {
    /// Folder for everything that is kept in files [default: ./quittance-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to serve on [default: 127.0.0.1:9154]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Configuration file (TOML); `quittance.sample.toml` explains every setting
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is parsed once")]
enum Command {
    /// Everything in this one process, for trying out and developing: the same as without a command
    Dev,
    /// Serve the HTTP API alone
    Api,
    /// Work the queues and the chains alone
    Worker(process::WorkerOptions),
    /// Bring the database's schema up to date
    Migrate,
    /// Create the first admin, root node and integration of an installation, and print them once
    Bootstrap(bootstrap::Options),
    /// Play merchant and payer against a running instance and print each step with its time
    Demo(demo::Options),
    /// Say whether this is development or production, what is unsafe about it, and whether configuration, database,
    /// broker, nodes, contracts and clock are as they should be, and what to do where not
    Doctor,
    Queues(queues::Options),
    Ledger(ledger::Options),
    DeadLetters(dead_letters::Options),
    Redrives(redrives::Options),
    Payments(reviews::Options),
    Rates(rates::Options),
    Webhooks(listen::Options),
    /// Run a development chain alone
    Devchain(embedded::DevchainOptions),
    /// Print the OpenAPI document
    Openapi(openapi::Options),
    Completions(manual::Completions),
    Man(manual::Man),
}

impl Cli {
    /// Whether what it writes is meant for others: documents, and no data.
    pub(crate) fn writes_for_others(&self) -> bool {
        matches!(self.command, Some(Command::Openapi(_) | Command::Completions(_) | Command::Man(_)))
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        // What needs no settings works without sound ones.
        match &self.command {
            Some(Command::Openapi(options)) => return openapi::run(options),
            Some(Command::Completions(options)) => return manual::complete(options),
            Some(Command::Man(options)) => return manual::man(options),
            _ => {}
        }
        let settings = Settings::load(&self.overrides)?;
        logging::start(&settings.log);
        if !settings.origin.unknown.is_empty() {
            let variables = settings.origin.unknown.join(", ");
            tracing::warn!(variables, "these variables look like settings and are none; they have no effect");
        }
        match self.command {
            None | Some(Command::Dev) => embedded::run(settings).await,
            Some(Command::Api) => process::api(settings).await,
            Some(Command::Worker(options)) => process::worker(settings, options).await,
            Some(Command::Migrate) => process::migrate(&settings).await,
            Some(Command::Bootstrap(options)) => bootstrap::run(&settings, &options).await,
            Some(Command::Demo(options)) => demo::run(&settings, &options).await,
            Some(Command::Doctor) => doctor::run(&settings).await,
            Some(Command::Ledger(options)) => ledger::run(&settings, &options).await,
            Some(Command::Queues(options)) => queues::run(&settings, options).await,
            Some(Command::DeadLetters(options)) => dead_letters::run(&settings, options).await,
            Some(Command::Redrives(options)) => redrives::run(&settings, options).await,
            Some(Command::Payments(options)) => reviews::run(&settings, options).await,
            Some(Command::Rates(options)) => rates::run(&settings, options).await,
            Some(Command::Webhooks(options)) => listen::run(&settings, options).await,
            Some(Command::Devchain(options)) => embedded::devchain(&settings, options).await,
            Some(Command::Openapi(_) | Command::Completions(_) | Command::Man(_)) => Ok(()),
        }
    }
}

/// Writes what is shown only once: who asked for it must not go on without it.
pub(crate) fn hand_over(text: &str) -> std::io::Result<()> {
    let mut terminal = std::io::stdout().lock();
    writeln!(terminal, "{text}")?;
    terminal.flush()
}

/// Writes a line for the person at the terminal; a closed pipe is no reason to stop working.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Tells what went wrong, causes included.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr().lock(), "quittance: {error:#}");
}
