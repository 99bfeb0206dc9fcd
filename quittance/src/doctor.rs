//! `quittance doctor`: looks at everything that has to be right, and says what to do about what is not.

use std::time::Duration;

use alloy::primitives::Address;
use anyhow::{Context, bail};
use chrono::Utc;
use entities::{DiamondStatus, currency, diamond, network, node, signer, wallet};
use migration::{Migrator, MigratorTrait};
use queue::{Database, PoolerUnfit};
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, Statement, prelude::*};
use secrecy::SecretString;

use crate::{
    node::{Node, without_secrets},
    output::print_line,
    process::database_place,
    safety::{self, Danger, Mode, Severity},
    settings::Settings,
};

/// Clocks further apart than this make due times and tokens go wrong, seconds.
const CLOCK_TOLERANCE_S: i64 = 2;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts of what the checks have found.
#[derive(Default)]
struct Findings {
    bad: usize,
    warned: usize,
}

impl Findings {
    /// Something unsafe: bad where it keeps us from starting, else a warning.
    fn unsafe_about(&mut self, danger: &Danger) {
        match danger.severity {
            Severity::Refused => {
                self.bad += 1;
                print_line(&format!("  BAD   {danger}"));
            }
            Severity::Warned => {
                self.warned += 1;
                print_line(&format!("  WARN  {danger}"));
            }
        }
    }

    fn report(&mut self, what: &str, found: anyhow::Result<String>) {
        match found {
            Ok(detail) => print_line(&format!("  ok    {what}: {detail}")),
            Err(error) => {
                self.bad += 1;
                print_line(&format!("  BAD   {what}: {error:#}"));
            }
        }
    }
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    let assessment = safety::assess(settings);
    print_line(&format!("Mode: {}", assessment.mode));
    assessment.dangers.iter().for_each(|danger| findings.unsafe_about(danger));
    let settings = match settings.clone().complete() {
        Ok(settings) => settings,
        Err(error) => {
            findings.report("configuration", Err(error));
            return findings.conclude();
        }
    };
    findings.report("configuration", Ok(format!("data folder {}", settings.data_dir.display())));
    findings.report("accounts without a database", Ok(accounts(&settings).to_owned()));
    safety::of_files(&settings).iter().for_each(|danger| findings.unsafe_about(danger));
    match within(connected(&settings)).await {
        Ok(db) => {
            findings.report("database", within(database(&db)).await);
            findings.report("schema", within(schema(&db)).await);
            findings.report("clock", within(clock(&db)).await);
            findings.report("broker", within(broker(&settings, &db)).await);
            networks(assessment.mode, &db, &mut findings).await;
            chains(&settings, &db, &mut findings).await;
        }
        Err(error) if error.is::<PoolerUnfit>() => findings.report("database", Err(error)),
        Err(error) => {
            let hint = format!("check database.url and that it is there: {}", database_place(&settings));
            findings.report("database", Err(error.context(hint)));
        }
    }
    findings.conclude()
}

impl Findings {
    fn conclude(&self) -> anyhow::Result<()> {
        if self.bad > 0 {
            bail!("{} findings", self.bad);
        }
        match self.warned {
            0 => print_line("Everything is as it should be."),
            warned => print_line(&format!("Everything works; {warned} warnings.")),
        }
        Ok(())
    }
}

/// What customers are shown to transfer to while the database cannot be reached.
fn accounts(settings: &Settings) -> &'static str {
    if settings.receipts.accounts.is_empty() {
        "the built-in ones, which have no numbers; name yours in receipts.accounts if you take bank transfers"
    } else {
        "those of receipts.accounts"
    }
}

/// What is unsafe about the networks.
async fn networks(mode: Mode, db: &Database, findings: &mut Findings) {
    match within(safety::of_networks(mode, db)).await {
        Ok(dangers) => dangers.iter().for_each(|danger| findings.unsafe_about(danger)),
        Err(error) => findings.report("networks", Err(error)),
    }
}

async fn within<T>(check: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, check).await.context("no answer in time")?
}

async fn connected(settings: &Settings) -> anyhow::Result<Database> {
    match Database::connect(&settings.database).await {
        Ok((db, _)) => Ok(db),
        Err(error) => Err(PoolerUnfit::said_by(&error).map_or_else(|| error.into(), anyhow::Error::from)),
    }
}

/// Whether it can be worked with: something is written and taken away again.
async fn database(db: &Database) -> anyhow::Result<String> {
    db.check_pooler().await?;
    db.check().await?;
    db.check_writing().await?;
    Ok(format!("{:?}", db.get_database_backend()))
}

async fn schema(db: &Database) -> anyhow::Result<String> {
    let missing = Migrator::get_pending_migrations(&**db).await?;
    if missing.is_empty() {
        return Ok("up to date".to_owned());
    }
    let names: Vec<&str> = missing.iter().map(|migration| migration.name()).collect();
    bail!("run `quittance migrate`; missing: {}", names.join(", "))
}

async fn clock(db: &Database) -> anyhow::Result<String> {
    if db.get_database_backend() != DatabaseBackend::Postgres {
        return Ok("the database uses this machine's".to_owned());
    }
    let statement = Statement::from_string(DatabaseBackend::Postgres, "SELECT now() AS now");
    let row = db.query_one_raw(statement).await?.context("no time")?;
    let theirs: chrono::DateTime<Utc> = row.try_get("", "now")?;
    let apart = (Utc::now() - theirs).num_seconds().abs();
    if apart > CLOCK_TOLERANCE_S {
        bail!("{apart} s from the database's; synchronise both with NTP");
    }
    Ok("agrees with the database's".to_owned())
}

async fn broker(settings: &Settings, db: &Database) -> anyhow::Result<String> {
    let broker = queue::broker::open(&settings.broker, db)?;
    let registry = worker::jobs::registry();
    let mut depths = Vec::new();
    for queue in registry.queues() {
        let depth = broker.depth(queue).await.with_context(|| format!("queue {queue}"))?;
        depths.push(format!("{queue} {depth}"));
    }
    broker.close().await;
    Ok(depths.join(", "))
}

async fn chains(settings: &Settings, db: &Database, findings: &mut Findings) {
    let networks = network::Entity::find().filter(network::Column::DeletedAt.is_null()).all(&**db).await;
    let networks = match networks.context("networks") {
        Ok(networks) => networks,
        Err(error) => return findings.report("networks", Err(error)),
    };
    for network in networks {
        let urls: Vec<String> = serde_json::from_value(network.rpc_urls.clone()).unwrap_or_default();
        for url in &urls {
            let what = format!("network {}: node {}", network.name, without_secrets(url));
            findings.report(&what, within(node(&network, url)).await);
        }
        if let Some(url) = urls.first() {
            findings.report(&format!("network {}: diamonds", network.name), within(diamonds(db, &network, url)).await);
            findings.report(&format!("network {}: currencies", network.name), within(tokens(db, &network, url)).await);
        }
    }
    findings.report("keystore", keys(settings, db).await);
}

/// That it is of the network, and what of all that lanes ask it can answer.
async fn node(network: &network::Model, url: &str) -> anyhow::Result<String> {
    let seen = chain::probe(&SecretString::from(url.to_owned())).await?;
    let chain_id = seen.chain_id;
    if i64::try_from(chain_id) != Ok(network.network_id) {
        bail!("it is on chain {chain_id}, the network on {}; correct rpc_urls or network_id", network.network_id);
    }
    let lacks: Vec<&str> = [
        (seen.base_fee, "blocks have no base fee, so that transactions are of the kind before EIP-1559"),
        (seen.pool, "it does not tell its pool, so that what it loses is sent again later"),
        (seen.logs_by_hash, "it gives logs by number only"),
        (seen.batches, "it takes no batches"),
    ]
    .into_iter()
    .filter_map(|(has, without)| (!has).then_some(without))
    .collect();
    Ok([vec![format!("chain {chain_id}").as_str()], lacks].concat().join("; "))
}

/// That each token's contract is there and counts in the decimals that payments are computed with.
async fn tokens(db: &Database, network: &network::Model, url: &str) -> anyhow::Result<String> {
    let currencies = currency::Entity::find()
        .filter(currency::Column::NetworkId.eq(network.id))
        .filter(currency::Column::DeletedAt.is_null())
        .all(&**db)
        .await?;
    let (mut compared, mut wrong) = (0, Vec::new());
    for currency in &currencies {
        let Some(address) = &currency.address else {
            if currency.decimals != 18 {
                wrong.push(format!(
                    "{} is the network's own coin, which has 18 decimals and not {}",
                    currency.symbol, currency.decimals
                ));
            }
            continue;
        };
        let at = address.parse().with_context(|| format!("{} of {}", address, currency.symbol))?;
        let token = chain::token(&SecretString::from(url.to_owned()), at).await?;
        match token.decimals {
            _ if !token.has_code => wrong.push(format!("there is no contract of {} at {address}", currency.symbol)),
            Some(said) if i32::from(said) != currency.decimals => wrong.push(format!(
                "{} at {address} has {said} decimals and not {}: payers are asked for a wrong amount; delete the currency \
                 and create it anew",
                currency.symbol, currency.decimals
            )),
            _ => compared += 1,
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(format!("{compared} agree with their contracts"))
}

async fn diamonds(db: &Database, network: &network::Model, url: &str) -> anyhow::Result<String> {
    let diamonds = diamond::Entity::find()
        .filter(diamond::Column::NetworkId.eq(network.id))
        .filter(diamond::Column::Status.eq(DiamondStatus::Deployed))
        .all(&**db)
        .await?;
    let node = Node::at(url)?;
    for diamond in &diamonds {
        let address = diamond.address.as_deref().unwrap_or_default().parse()?;
        if !node.has_code(address).await? {
            bail!("there is no contract at {address}; was the chain reset?");
        }
    }
    Ok(format!("{} with code", diamonds.len()))
}

async fn keys(settings: &Settings, db: &Database) -> anyhow::Result<String> {
    let keystore = settings.keystore()?;
    let keys = keystore.list()?;
    let remote: Vec<_> = settings.chain.remote_signers.iter().map(chain::RemoteSigner::address).collect();
    let is_there = |address: &Address| keys.contains(address) || remote.contains(address);
    let wallets = wallet::Entity::find().filter(wallet::Column::DeletedAt.is_null()).all(&**db).await?;
    for wallet in &wallets {
        let address = wallet.address.parse()?;
        if !is_there(&address) {
            bail!(
                "wallet {} has no key for {address}; put its file into the keystore's folder, or name its remote signer in \
                 chain.remote_signers",
                wallet.name
            );
        }
    }
    if let Some(signer) = settings.chain.signers.iter().find(|signer| !is_there(signer)) {
        bail!("chain.signers names {signer}, which has no key; put its file into the keystore's folder");
    }
    for key in &keys {
        keystore.signer(*key).await.context("check keystore.password and the file")?;
    }
    owners(db, &wallets).await?;
    Ok(format!("{} keys, which all open, {} remote, {} wallets", keys.len(), remote.len(), wallets.len()))
}

/// That each wallet signs with a key of its own node or of one above.
async fn owners(db: &Database, wallets: &[wallet::Model]) -> anyhow::Result<()> {
    let signers = signer::Entity::find().all(&**db).await?;
    let nodes = node::Entity::find().all(&**db).await?;
    let path = |id| nodes.iter().find(|node| node.id == id).map_or("", |node| node.path.as_str());
    for wallet in wallets {
        let address = wallet.address.to_lowercase();
        let Some(signer) = signers.iter().find(|signer| signer.address == address) else {
            bail!("the key of wallet {} is nobody's; hand it to a node with `quittance signers register`", wallet.name);
        };
        let (owner, user) = (path(signer.node_id), path(wallet.node_id));
        if owner != user && !user.starts_with(&format!("{owner}.")) {
            bail!(
                "wallet {} of node {user} signs with {address}, which belongs to node {owner}; delete the wallet unless that \
                 is meant, it spends the other node's gas",
                wallet.name
            );
        }
    }
    Ok(())
}
