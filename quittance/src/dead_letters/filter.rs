//! Filters as options.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Which letters; every option that is given narrows the choice.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which letters")]
pub(crate) struct Filter {
    /// For this queue, such as open_deal.v1
    #[arg(long)]
    queue: Option<String>,
    /// Of this kind, such as open_deal
    #[arg(long)]
    kind: Option<String>,
    /// Given up by a job, or by the broker
    #[arg(long, value_parser = ["job", "broker"])]
    origin: Option<String>,
    /// With this error code, such as retries_exhausted
    #[arg(long = "code", value_name = "CODE")]
    error_code: Option<String>,
    /// Of this cause, as `groups` prints it
    #[arg(long, value_name = "CAUSE")]
    fingerprint: Option<String>,
    /// Of this message
    #[arg(long = "message", value_name = "ID")]
    pub(crate) message_id: Option<Uuid>,
    /// About this payment
    #[arg(long = "payment", value_name = "ID")]
    payment_id: Option<Uuid>,
    /// About exactly this node
    #[arg(long = "node", value_name = "ID")]
    node_id: Option<Uuid>,
    /// With this text in the error message or the body
    #[arg(long)]
    text: Option<String>,
    /// Dead since this time (2026-11-21T14:00:00Z)
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Dead before this time
    #[arg(long, value_name = "TIME")]
    before: Option<DateTime<Utc>>,
    /// Claimed or skipped by this redrive
    #[arg(long = "redrive", value_name = "ID")]
    redrive_id: Option<Uuid>,
}

impl Filter {
    /// The filter as a request's body has it.
    pub(crate) fn body(&self) -> Value {
        let all = [
            ("queue", json!(self.queue)),
            ("kind", json!(self.kind)),
            ("origin", json!(self.origin)),
            ("error_code", json!(self.error_code)),
            ("fingerprint", json!(self.fingerprint)),
            ("message_id", json!(self.message_id)),
            ("payment_id", json!(self.payment_id)),
            ("node_id", json!(self.node_id)),
            ("text", json!(self.text)),
            ("since", json!(self.since)),
            ("before", json!(self.before)),
            ("redrive_id", json!(self.redrive_id)),
        ];
        let given = all.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }

    /// The filter as a query has it.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        const NAMES: [&str; 12] = [
            "queue",
            "kind",
            "origin",
            "error_code",
            "fingerprint",
            "message_id",
            "payment_id",
            "node_id",
            "text",
            "since",
            "before",
            "redrive_id",
        ];
        let body = self.body();
        let given = NAMES.into_iter().filter_map(|name| Some((name, body[name].as_str()?.to_owned())));
        given.collect()
    }
}
