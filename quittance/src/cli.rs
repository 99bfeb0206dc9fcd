//! The command line.

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    audit, bootstrap, dead_letters, demo, diamonds, doctor, embedded, events, ledger, listen, logging, manual, openapi,
    process, queues, rates, redrives, reviews,
    settings::{Overrides, Settings},
    signers,
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

#[derive(Debug, Subcommand)]
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
    Events(events::Options),
    Audit(audit::Options),
    Ledger(ledger::Options),
    Diamonds(diamonds::Options),
    DeadLetters(dead_letters::Options),
    Redrives(redrives::Options),
    Payments(reviews::Options),
    Rates(rates::Options),
    Signers(signers::Options),
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
            Some(Command::Completions(options)) => return manual::complete(&mut Self::command(), options),
            Some(Command::Man(options)) => return manual::man(Self::command(), options),
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
            Some(Command::Diamonds(options)) => diamonds::run(&settings, options).await,
            Some(Command::Queues(options)) => queues::run(&settings, options).await,
            Some(Command::Events(options)) => events::run(&settings, options).await,
            Some(Command::Audit(options)) => audit::run(&settings, options).await,
            Some(Command::DeadLetters(options)) => dead_letters::run(&settings, options).await,
            Some(Command::Redrives(options)) => redrives::run(&settings, options).await,
            Some(Command::Payments(options)) => reviews::run(&settings, options).await,
            Some(Command::Rates(options)) => rates::run(&settings, options).await,
            Some(Command::Signers(options)) => signers::run(&settings, options).await,
            Some(Command::Webhooks(options)) => listen::run(&settings, options).await,
            Some(Command::Devchain(options)) => embedded::devchain(&settings, options).await,
            Some(Command::Openapi(_) | Command::Completions(_) | Command::Man(_)) => Ok(()),
        }
    }
}
