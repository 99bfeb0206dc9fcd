//! `quittance rates`: what currencies are worth in others, over the API of a running instance.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Number, Value, json};

use crate::{
    operator::{
        Access, Client,
        terminal::{self, text, time},
    },
    output::print_line,
    settings::Settings,
};

/// Look at exchange rates and set them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance rates list
  quittance rates set BTC EUR 91234.56
  quittance rates set BTC EUR 91234.56 --source exchange.example

Lightning invoices over amounts that are not in bitcoin are made by the rate of BTC in their currency, as long as it is no
older than till.rate_max_age_s.")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All of them, with their age
    List {
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    /// Set what one unit of a currency is worth in another, from now on
    Set {
        /// The currency that is priced, such as BTC
        base: String,
        /// The currency of the price, such as EUR
        quote: String,
        /// The price, such as 91234.56
        rate: String,
        /// Where it is from [default: operator]
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    let (answer, json) = match options.command {
        Command::List { json } => (client.get("/exchange-rates", &[]).await?, json),
        Command::Set { base, quote, rate, source, json } => {
            // As it was typed, never through binary floating point.
            let rate: Number = rate.parse().with_context(|| format!("{rate} is no number"))?;
            let mut body = json!({ "rate": rate });
            if let Some(source) = source {
                body["source"] = json!(source);
            }
            (client.put(&["exchange-rates", &base, &quote], &body).await?, json)
        }
    };
    print_line(&if json { terminal::json(&answer) } else { print(&answer) });
    Ok(())
}

fn print(answer: &Value) -> String {
    let line = |rate: &Value| {
        let (base, quote) = (text(rate, "base"), text(rate, "quote"));
        let (price, source) = (text(rate, "rate"), text(rate, "source"));
        format!("1 {base} = {price} {quote}  {}  {source}", time(rate, "at"))
    };
    match answer {
        Value::Array(rates) if rates.is_empty() => "None.".to_owned(),
        Value::Array(rates) => rates.iter().map(line).collect::<Vec<_>>().join("\n"),
        rate => line(rate),
    }
}
