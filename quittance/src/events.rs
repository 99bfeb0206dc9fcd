//! `quittance events`: what happened, and what happens, over the API of a running instance.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    operator::{
        Access, Client,
        terminal::{self, text},
    },
    output::print_line,
    settings::Settings,
};

/// How often `--follow` asks.
const EVERY: Duration = Duration::from_millis(500);

/// Events that one request brings.
const TOGETHER: u64 = 100;

/// What happened at the nodes in reach, in the order in which it became visible
///
/// The newest, oldest of them first; with --after what came behind an event; with --follow also what happens from now on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance events
  quittance events --type payment.paid --follow
  quittance events --after 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a20 --json | jq .data.payment.external_id")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    /// Only those behind the event with this id
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
    /// Only this type; payment.* for all that begin so
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only events at this node and the nodes below it
    #[arg(long, value_name = "ID")]
    node: Option<Uuid>,
    /// How many of the newest
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100), conflicts_with = "after")]
    newest: u64,
    /// Go on with what happens, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Print each event as it is, one a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    let line = |event: &Value| print_line(&if options.json { terminal::json_line(event) } else { line(event) });
    let mut feed = Feed { client: &client, wanted: options.r#type, node: options.node, after: None };
    match options.after {
        Some(after) => feed.after = Some(after.to_string()),
        None => feed.newest(options.newest).await?.iter().for_each(line),
    }
    loop {
        let (events, more) = feed.next().await?;
        events.iter().for_each(line);
        if !more && !options.follow {
            return Ok(());
        }
        if !more {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Events in their order, from a place on.
pub(crate) struct Feed<'a> {
    pub(crate) client: &'a Client,
    /// Only this type or group.
    pub(crate) wanted: Option<String>,
    pub(crate) node: Option<Uuid>,
    /// The id of the last event that has been seen.
    pub(crate) after: Option<String>,
}

impl Feed<'_> {
    /// So many of the newest, the oldest of them first; goes on behind them.
    pub(crate) async fn newest(&mut self, count: u64) -> anyhow::Result<Vec<Value>> {
        let (mut events, _) = self.read(&[("newest", "true".to_owned()), ("limit", count.to_string())]).await?;
        events.reverse();
        Ok(events)
    }

    /// The next, and whether there are more right now.
    pub(crate) async fn next(&mut self) -> anyhow::Result<(Vec<Value>, bool)> {
        self.read(&[("limit", TOGETHER.to_string())]).await
    }

    async fn read(&mut self, query: &[(&str, String)]) -> anyhow::Result<(Vec<Value>, bool)> {
        let mut query = query.to_vec();
        query.extend(self.wanted.clone().map(|wanted| ("type", wanted)));
        query.extend(self.node.map(|node| ("node_id", node.to_string())));
        query.extend(self.after.clone().map(|after| ("after", after)));
        let mut page = self.client.get("/events", &query).await?;
        if let Some(next) = page["next"].as_str() {
            self.after = Some(next.to_owned());
        }
        let more = page["has_more"] == true;
        let items = page["items"].as_array_mut().map(std::mem::take);
        Ok((items.unwrap_or_default(), more))
    }
}

/// An event in a line: when, what, its number, and whose payment.
fn line(event: &Value) -> String {
    format!("{}  {}", summary(event), text(event, "id"))
}

/// The same without its id.
pub(crate) fn summary(event: &Value) -> String {
    let payment = &event["data"]["payment"];
    let about = if payment.is_object() {
        let number = text(event, "sequence");
        format!("#{number:<3} payment {} ({})", text(payment, "id"), text(payment, "status"))
    } else {
        String::new()
    };
    format!("{}  {:<22} {about}", terminal::time(event, "occurred_at"), text(event, "type"))
}
