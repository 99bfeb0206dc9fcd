//! `quittance dead-letters`: what could not be done, why, and doing it again.

use anyhow::Context;
use clap::{Args, Subcommand};
use queue::dead_letters::{self, DeadLetter, Filter, Page};
use sea_orm::prelude::Uuid;

use crate::{cli::say, process, settings::Settings};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The newest first
    List(List),
    /// One with its body, headers and error
    Show {
        /// Its id
        id: Uuid,
    },
    /// Put one back on its queue; it can be done once, and resumes what was left, never begins a second time
    Replay {
        /// Its id
        id: Uuid,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only about this payment
    #[arg(long, value_name = "ID")]
    payment: Option<Uuid>,
    /// Also those that were replayed
    #[arg(long)]
    all: bool,
    /// How many
    #[arg(long, default_value_t = 50, value_name = "LETTERS")]
    limit: u64,
    /// Those older than this one, which was the last of the page before
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
}

pub(crate) async fn run(settings: &Settings, command: Command) -> anyhow::Result<()> {
    let (db, _) = process::connect(&settings.clone().complete()?).await?;
    match command {
        Command::List(options) => {
            let replayed = if options.all { None } else { Some(false) };
            let filter = Filter { queue: options.queue, payment_id: options.payment, replayed, ..Filter::default() };
            let page = Page { after: options.after, limit: options.limit };
            let letters = dead_letters::list(&db, &filter, page).await?;
            if letters.is_empty() {
                say("No dead letters.");
            }
            letters.iter().for_each(|letter| say(&line(letter)));
        }
        Command::Show { id } => {
            let letter = dead_letters::show(&db, id).await?.with_context(|| format!("there is no dead letter {id}"))?;
            say(&format!("{letter:#?}"));
        }
        Command::Replay { id } => {
            let message_id = dead_letters::replay(&db, id).await?;
            say(&format!("Back on its queue as {message_id}; a running worker takes it within seconds."));
        }
    }
    Ok(())
}

fn line(letter: &DeadLetter) -> String {
    let payment = letter.payment_id.map(|id| format!(" payment {id}")).unwrap_or_default();
    format!(
        "{}  {}  {}{payment}  {} attempts  {}: {}",
        letter.id,
        letter.last_at.format("%Y-%m-%d %H:%M:%S"),
        letter.queue,
        letter.attempts,
        letter.error_code,
        letter.error_message,
    )
}
