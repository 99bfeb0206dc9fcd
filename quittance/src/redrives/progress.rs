//! Following a run to its end.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::counts;
use crate::{
    operator::{Client, NoResponse},
    output::print_line,
};

/// How often a run is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How long an instance may be away, for a restart, before following it is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Cells of the bar.
const BAR: u64 = 24;

/// Waits until nothing more follows by itself, and returns the run as it is then. With `shown` it draws a bar on a
/// terminal, and writes a line for each change anywhere else.
pub(crate) async fn wait_for_end(client: &Client, id: &str, shown: bool) -> anyhow::Result<Value> {
    let bar = shown && std::io::stdout().is_terminal();
    let (mut last, mut answered_at) = (String::new(), Instant::now());
    loop {
        let run = match client.get(&format!("/operations/redrives/{id}"), &[]).await {
            Ok(run) => run,
            Err(error) if error.is::<NoResponse>() && answered_at.elapsed() < PATIENCE => {
                if last != "away" {
                    print_line("The instance does not answer; waiting for it. The run goes on when a worker is there.");
                    "away".clone_into(&mut last);
                }
                tokio::time::sleep(EVERY).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        answered_at = Instant::now();
        let now = counts(&run);
        if shown && now != last {
            draw(&run, &now, bar);
            last = now;
        }
        if matches!(run["state"].as_str(), Some("done" | "aborted" | "stopped" | "paused")) {
            if bar {
                print_line("");
            }
            return Ok(run);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A line of its own, or the same line again.
fn draw(run: &Value, counts: &str, bar: bool) {
    if !bar {
        return print_line(counts);
    }
    let number = |field: &str| run[field].as_u64().unwrap_or_default();
    let ended = number("resolved") + number("dead_again") + number("skipped");
    let full = (ended * BAR).checked_div(number("total")).unwrap_or_default().min(BAR);
    let cells: String = (0..BAR).map(|cell| if cell < full { '#' } else { '.' }).collect();
    let mut out = std::io::stdout().lock();
    // Whoever reads the other end of a closed pipe does not mind.
    let _ = write!(out, "\r\x1b[2K[{cells}] {counts}");
    let _ = out.flush();
}
