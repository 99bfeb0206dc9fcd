//! `quittance queues`: how the queues stand, over the API of a running instance.

use std::{fmt::Write as _, io::IsTerminal, time::Duration};

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

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(2);

/// What waits in each queue, for how long, who works on it and how quickly
///
/// READY waits at RabbitMQ for a consumer. WAITING is due in the outbox with nobody who has taken it yet, TAKEN in the hands of
/// a process, LATER scheduled (retries, expiries). OLDEST is the age of what has waited longest. A queue with messages and no
/// WORKERS waits until one is started. Counts stop at 10,000.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance queues
  quittance queues --watch
  quittance queues --json | jq '.items[] | select(.dead_letters > 0)'")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    /// Look again every two seconds, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    let clear = options.watch && !options.json && std::io::stdout().is_terminal();
    loop {
        let queues = client.get("/operations/queues", &[]).await?;
        let rendered = if options.json { terminal::json(&queues) } else { table(&queues) };
        // Home, and nothing of what stood there before.
        print_line(&if clear { format!("\x1b[H\x1b[2J{rendered}") } else { rendered });
        if !options.watch {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn table(queues: &Value) -> String {
    let items = queues["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut rendered = format!(
        "{:<20} {:>7} {:>7} {:>7} {:>7} {:>8} {:>7} {:>9} {:>8} {:>8} {:>6}",
        "QUEUE", "READY", "WAITING", "TAKEN", "LATER", "OLDEST", "WORKERS", "IN FLIGHT", "DONE/S", "FAILED/S", "DEAD",
    );
    for queue in items {
        let age = queue["oldest_seconds"].as_u64().map_or_else(|| "-".to_owned(), age);
        // Writing into a String cannot fail.
        let _ = write!(
            rendered,
            "\n{:<20} {:>7} {:>7} {:>7} {:>7} {:>8} {:>7} {:>9} {:>8} {:>8} {:>6}",
            text(queue, "name"),
            text(queue, "ready"),
            text(queue, "waiting"),
            text(queue, "taken"),
            text(queue, "scheduled"),
            age,
            text(queue, "workers"),
            text(queue, "in_flight"),
            text(queue, "done_per_second"),
            text(queue, "failed_per_second"),
            text(queue, "dead_letters"),
        );
    }
    for queue in items.iter().filter(|queue| !queue["problem"].is_null()) {
        let _ = write!(rendered, "\n{}: {}", text(queue, "name"), text(queue, "problem"));
    }
    rendered
}

/// Seconds as people say them.
fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rendered_in_one_unit() {
        assert_eq!([0, 119, 120, 7_200, 200_000].map(age), ["0s", "119s", "2m", "2h", "2d"]);
    }
}
