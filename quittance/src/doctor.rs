//! `quittance doctor`: looks at everything that has to be right, and says what to do about what is not.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::Utc;
use entities::{DiamondStatus, diamond, network, wallet};
use migration::{Migrator, MigratorTrait};
use queue::Database;
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, Statement, prelude::*};

use crate::{
    cli::say,
    node::{Node, without_secrets},
    safety::{self, Danger, Mode, Severity},
    settings::Settings,
};

/// Clocks further apart than this make due times and tokens go wrong, seconds.
const CLOCK_TOLERANCE_S: i64 = 2;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts what it finds.
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
                say(&format!("  BAD   {danger}"));
            }
            Severity::Warned => {
                self.warned += 1;
                say(&format!("  WARN  {danger}"));
            }
        }
    }

    fn tell(&mut self, what: &str, found: anyhow::Result<String>) {
        match found {
            Ok(detail) => say(&format!("  ok    {what}: {detail}")),
            Err(error) => {
                self.bad += 1;
                say(&format!("  BAD   {what}: {error:#}"));
            }
        }
    }
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    let assessment = safety::assess(settings);
    say(&format!("Mode: {}", assessment.mode));
    assessment.dangers.iter().for_each(|danger| findings.unsafe_about(danger));
    let settings = match settings.clone().complete() {
        Ok(settings) => settings,
        Err(error) => {
            findings.tell("configuration", Err(error));
            return findings.conclude();
        }
    };
    findings.tell("configuration", Ok(format!("data folder {}", settings.data_dir.display())));
    safety::of_files(&settings).iter().for_each(|danger| findings.unsafe_about(danger));
    match within(async { Ok(Database::connect(&settings.database).await?) }).await {
        Ok((db, _)) => {
            findings.tell("database", Ok(format!("{:?}", db.get_database_backend())));
            findings.tell("schema", within(schema(&db)).await);
            findings.tell("clock", within(clock(&db)).await);
            findings.tell("broker", within(broker(&settings, &db)).await);
            networks(assessment.mode, &db, &mut findings).await;
            chains(&settings, &db, &mut findings).await;
        }
        Err(error) => findings.tell("database", Err(error.context("check database.url and that the server runs"))),
    }
    findings.conclude()
}

impl Findings {
    fn conclude(&self) -> anyhow::Result<()> {
        if self.bad > 0 {
            bail!("{} findings", self.bad);
        }
        match self.warned {
            0 => say("Everything is as it should be."),
            warned => say(&format!("Everything works; {warned} warnings.")),
        }
        Ok(())
    }
}

/// What is unsafe about the networks.
async fn networks(mode: Mode, db: &Database, findings: &mut Findings) {
    match within(safety::of_networks(mode, db)).await {
        Ok(dangers) => dangers.iter().for_each(|danger| findings.unsafe_about(danger)),
        Err(error) => findings.tell("networks", Err(error)),
    }
}

async fn within<T>(check: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, check).await.context("no answer in time")?
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
        Err(error) => return findings.tell("networks", Err(error)),
    };
    for network in networks {
        let urls: Vec<String> = serde_json::from_value(network.rpc_urls.clone()).unwrap_or_default();
        for url in &urls {
            let what = format!("network {}: node {}", network.name, without_secrets(url));
            findings.tell(&what, within(node(&network, url)).await);
        }
        if let Some(url) = urls.first() {
            findings.tell(&format!("network {}: diamonds", network.name), within(diamonds(db, &network, url)).await);
        }
    }
    findings.tell("keystore", keys(settings, db).await);
}

async fn node(network: &network::Model, url: &str) -> anyhow::Result<String> {
    let chain_id = Node::at(url)?.chain_id().await?;
    if i64::try_from(chain_id) != Ok(network.network_id) {
        bail!("it is on chain {chain_id}, the network on {}; correct rpc_urls or network_id", network.network_id);
    }
    Ok(format!("chain {chain_id}"))
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
    let wallets = wallet::Entity::find().filter(wallet::Column::DeletedAt.is_null()).all(&**db).await?;
    for wallet in &wallets {
        let address = wallet.address.parse()?;
        if !keys.contains(&address) {
            bail!("wallet {} has no key file for {address}; put it into the keystore's folder", wallet.name);
        }
    }
    Ok(format!("{} keys, {} wallets", keys.len(), wallets.len()))
}
