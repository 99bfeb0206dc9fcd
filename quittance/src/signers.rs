//! `quittance signers`: keys, whose they are, what they may sign, and stopping them, over the API of a running instance.

mod print;

use anyhow::{Context, ensure};
use chain::Keystore;
use clap::{Args, Subcommand, ValueEnum};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::{
    operator::{Access, Client, terminal},
    output::print_line,
    settings::Settings,
};

/// List keys, hand them to nodes, say what they may sign, and stop them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  quittance signers list
  quittance signers generate --node 0197f7a3-0000-7000-8000-000000000001 --name 'hot key 2'
  quittance signers policy 0xf39f…2266 --gas-per-day 30000000 --fee-cap-wei 50000000000 --actions open,release,cancel
  quittance signers pause 0xf39f…2266 --reason 'moves to another host'
  quittance signers pause --all --reason 'the host was broken into'
  quittance signers resume --all --reason 'the host was broken into'
  quittance signers rotate 0xf39f…2266 --to 0x7099…79c8

Nothing is signed any more once `pause` has returned. What was signed and recorded before is still sent: a network may have it.")]
pub(crate) struct Options {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
    /// Print what the API answers
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every key in reach, what it may sign, and what holds it up on each network
    List,
    /// Make a key in this machine's keystore and hand it to a node
    Generate(NewKey),
    /// Take a private key from standard input into this machine's keystore and hand it to a node
    Import(NewKey),
    /// Hand a key to a node that lies with a remote signer or in another machine's keystore
    Register {
        /// The key's address
        address: String,
        #[command(flatten)]
        key: NewKey,
    },
    /// Say what a key may sign; what is not named stays as it is, `none` takes a limit away
    Policy(Policy),
    /// Sign nothing any more with a key, or with all of them
    Pause {
        #[command(flatten)]
        which: Which,
        /// Why, for those who find it paused
        #[arg(long, default_value = "paused by an operator")]
        reason: String,
    },
    /// Go on signing
    Resume {
        #[command(flatten)]
        which: Which,
        /// With `--all`: the reason that they were paused with; those that were paused for another one stay so
        #[arg(long, required_if_eq("all", "true"))]
        reason: Option<String>,
    },
    /// Let another key of the same node sign for a key's wallets
    ///
    /// Where a diamond's owner has not made the new key an operator yet, the old one goes on; see `quittance diamonds prepare`.
    /// Pause the old key when it has nothing left to do, or at once if it is stolen.
    Rotate {
        /// The address of the old key
        address: String,
        /// The address of the new key
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
}

#[derive(Debug, Args)]
struct NewKey {
    /// The node whose key it is
    #[arg(long, value_name = "ID")]
    node: String,
    /// Its name
    #[arg(long)]
    name: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The key's address
    address: Option<String>,
    /// Every key in reach
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    Deploy,
    Open,
    Release,
    Cancel,
}

#[derive(Debug, Args)]
struct Policy {
    /// The key's address
    address: String,
    /// What it may do: deploy, open, release, cancel
    #[arg(long, value_delimiter = ',', value_name = "ACTION")]
    actions: Option<Vec<Action>>,
    /// It may do everything
    #[arg(long, conflicts_with = "actions")]
    all_actions: bool,
    /// The diamonds that it may act on
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    diamonds: Option<Vec<String>>,
    /// It may act on every diamond
    #[arg(long, conflicts_with = "diamonds")]
    all_diamonds: bool,
    /// The highest fee per gas, in wei
    #[arg(long, value_name = "WEI|none")]
    fee_cap_wei: Option<String>,
    /// Gas limits of what it signs in any 24 hours on a network, in all
    #[arg(long, value_name = "GAS|none")]
    gas_per_day: Option<String>,
    /// The most that this may cost, in wei
    #[arg(long, value_name = "WEI|none")]
    spend_per_day_wei: Option<String>,
}

impl Policy {
    fn change(&self) -> anyhow::Result<Value> {
        let mut change = Map::new();
        if let Some(actions) = &self.actions {
            let word = |action: &Action| action.to_possible_value().map(|value| value.get_name().to_owned());
            change.insert("actions".to_owned(), json!(actions.iter().filter_map(word).collect::<Vec<_>>()));
        }
        if let Some(diamonds) = &self.diamonds {
            change.insert("diamonds".to_owned(), json!(diamonds));
        }
        for (name, all) in [("actions", self.all_actions), ("diamonds", self.all_diamonds)] {
            if all {
                change.insert(name.to_owned(), Value::Null);
            }
        }
        for (name, limit) in [("fee_cap_wei", &self.fee_cap_wei), ("gas_per_day", &self.gas_per_day)] {
            if let Some(limit) = limit {
                let number = |limit: &str| limit.parse::<i64>().with_context(|| format!("{limit} is no number"));
                let limit = if limit == "none" { Value::Null } else { json!(number(limit)?) };
                change.insert(name.to_owned(), limit);
            }
        }
        if let Some(limit) = &self.spend_per_day_wei {
            let limit = if limit == "none" { Value::Null } else { json!(limit) };
            change.insert("spend_per_day_wei".to_owned(), limit);
        }
        ensure!(!change.is_empty(), "nothing to change: name a limit, see `quittance signers policy --help`");
        Ok(Value::Object(change))
    }
}

pub(crate) async fn run(settings: &Settings, options: Options) -> anyhow::Result<()> {
    let client = Client::sign_in(settings, options.access).await?;
    let answer = match options.command {
        Command::List => all(&client).await?,
        Command::Generate(key) => {
            let address = keystore(settings)?.generate().await?;
            register(&client, &address.to_checksum(None), &key).await?
        }
        Command::Import(key) => {
            let secret = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await?;
            let address = keystore(settings)?.import(&SecretString::from(secret?)).await?;
            register(&client, &address.to_checksum(None), &key).await?
        }
        Command::Register { address, key } => register(&client, &address, &key).await?,
        Command::Policy(policy) => {
            let id = id_of(&client, &policy.address).await?;
            client.patch(&format!("/signers/{id}"), &policy.change()?).await?
        }
        Command::Pause { which: Which { address: None, .. }, reason } => {
            client.post("/signers/pause", &json!({ "reason": reason })).await?
        }
        Command::Pause { which: Which { address: Some(address), .. }, reason } => {
            let id = id_of(&client, &address).await?;
            client.post(&format!("/signers/{id}/pause"), &json!({ "reason": reason })).await?
        }
        Command::Resume { which, reason } => resume(&client, which, reason.as_deref()).await?,
        Command::Rotate { address, to } => {
            let id = id_of(&client, &address).await?;
            client.post(&format!("/signers/{id}/rotate"), &json!({ "to": to })).await?
        }
    };
    print_line(&if options.json { terminal::json(&answer) } else { print::answer(&answer) });
    Ok(())
}

fn keystore(settings: &Settings) -> anyhow::Result<Keystore> {
    settings.clone().complete()?.keystore()
}

/// All pages.
async fn all(client: &Client) -> anyhow::Result<Value> {
    let mut items = Vec::new();
    for page in 1.. {
        let query = [("page", format!("{page}")), ("per_page", "100".to_owned())];
        let answer = client.get("/signers", &query).await?;
        let found = answer["items"].as_array().cloned().unwrap_or_default();
        let last = found.len() < 100;
        items.extend(found);
        if last {
            break;
        }
    }
    Ok(json!({ "items": items }))
}

async fn id_of(client: &Client, address: &str) -> anyhow::Result<String> {
    let found = client.get("/signers", &[("address", address.to_owned())]).await?;
    let id = found["items"][0]["id"].as_str();
    Ok(id.with_context(|| format!("no signer in reach has the address {}", terminal::clean(address)))?.to_owned())
}

async fn register(client: &Client, address: &str, key: &NewKey) -> anyhow::Result<Value> {
    client.post("/signers", &json!({ "node_id": key.node, "address": address, "name": key.name })).await
}

async fn resume(client: &Client, which: Which, reason: Option<&str>) -> anyhow::Result<Value> {
    if let Some(address) = which.address {
        let id = id_of(client, &address).await?;
        return client.post(&format!("/signers/{id}/resume"), &json!({})).await;
    }
    let signers = all(client).await?;
    let paused = signers["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|signer| !signer["paused_at"].is_null() && signer["pause_reason"].as_str() == reason);
    let mut resumed = 0;
    for id in paused.filter_map(|signer| signer["id"].as_str()) {
        client.post(&format!("/signers/{id}/resume"), &json!({})).await?;
        resumed += 1;
    }
    Ok(json!({ "signers": resumed }))
}
