//! `quittance payments`: what an operator looks at and decides, over the API of a running instance.

mod print;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    operator::{Access, Client, terminal},
    output::print_line,
    settings::Settings,
};

/// Look at payments and decide on those in review
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance payments list --needs-review
  quittance payments review 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b
  quittance payments resolve 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b --as open --reason 'The deal is in block 1042'

On another machine, say where and who:
  QUITTANCE_URL=https://pay.example QUITTANCE_API_KEY=qk_… QUITTANCE_API_SECRET=qs_… quittance payments list")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The newest in a status, of all nodes in reach
    List(List),
    /// Why a payment is in review, what has been noted since, and the verdicts that the evidence allows
    Review {
        /// The payment
        id: Uuid,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    /// Give a verdict; the same one again changes nothing
    #[command(after_help = "Example:
  quittance payments resolve 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b --as canceling --reason 'Double order, give it back'

`quittance payments review ID` tells which verdicts the evidence allows. The reason is kept in the payment's log and in
the audit log.")]
    Resolve {
        /// The payment
        id: Uuid,
        /// What it becomes
        #[arg(long = "as", value_name = "STATUS")]
        to: String,
        /// Why, 3 to 1000 characters
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Those that wait for a verdict; this is also what is listed without a status
    #[arg(long, conflicts_with = "status")]
    needs_review: bool,
    /// Those in this status
    #[arg(long, value_name = "STATUS", default_value = "needs_review")]
    status: String,
    /// Only those of this node and below
    #[arg(long, value_name = "ID")]
    node: Option<Uuid>,
    /// The number of the page
    #[arg(long, default_value_t = 1)]
    page: u32,
    /// Print what the API answers
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    let (answer, json, print): (Value, bool, fn(&Value) -> String) = match options.command {
        Command::List(list) => {
            // The flag only says aloud what is the default.
            let List { needs_review: _, status, node, page, json } = list;
            let mut query = vec![("status", status), ("page", page.to_string()), ("per_page", "50".to_owned())];
            query.extend(node.map(|node| ("node_id", node.to_string())));
            (client.get("/operations/payments", &query).await?, json, print::list)
        }
        Command::Review { id, json } => {
            (client.get(&format!("/operations/payments/{id}/review"), &[]).await?, json, print::review)
        }
        Command::Resolve { id, to, reason, json } => {
            let body = json!({ "as": to, "reason": reason });
            (client.post(&format!("/operations/payments/{id}/resolve"), &body).await?, json, print::resolved)
        }
    };
    print_line(&if json { terminal::json(&answer) } else { print(&answer) });
    Ok(())
}
