//! The first rows of an installation, and the one time that its secrets are shown.

mod rows;

use std::{collections::BTreeMap, io::ErrorKind, path::PathBuf};

use alloy::primitives::{Address, U256};
use anyhow::{Context, anyhow, bail};
use chain::{Account, Deployment, Keystore};
use clap::Args;
use queue::Database;
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait, prelude::*};
use serde::{Deserialize, Serialize};

use crate::{
    embedded::Devnet,
    files::write_private,
    node::{Node, without_secrets},
    output::{hand_over, print_line},
    process,
    settings::Settings,
};

/// Base units of the test token that a payer starts with: ten million dollars.
const PAYER_UNITS: U256 = U256::from_limbs([10_000_000_000_000, 0, 0, 0]);

/// What is written to `bootstrap.json`, or printed once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bootstrap {
    pub(crate) base_url: String,
    pub(crate) admin: Admin,
    pub(crate) integration: Integration,
    pub(crate) node_id: Uuid,
    pub(crate) chain_id: Uuid,
    pub(crate) network_id: Option<Uuid>,
    pub(crate) wallet_id: Option<Uuid>,
    pub(crate) currencies: BTreeMap<String, Uuid>,
    /// The embedded development chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) devchain: Option<Playground>,
    /// A development node of somebody else's, such as Anvil.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) testnet: Option<Playground>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Admin {
    pub(crate) name: String,
    pub(crate) pin: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Integration {
    pub(crate) api_key: String,
    pub(crate) secret_key: String,
}

/// A chain where money is not money.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Playground {
    pub(crate) rpc_url: String,
    pub(crate) chain_id: u64,
    pub(crate) diamond_address: String,
    pub(crate) tokens: BTreeMap<String, String>,
    pub(crate) payer: Payer,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payer {
    pub(crate) address: String,
    pub(crate) private_key: String,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// A node of the first network
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545", conflicts_with = "no_network")]
    rpc_url: String,
    /// The node is a development one with accounts of its own, such as Anvil's: take a thousand ether from them for the
    /// signer and for a payer, and deploy a diamond and a test token
    #[arg(long, conflicts_with = "no_network")]
    testnet: bool,
    /// Blocks until something counts as final [default: 1 with --testnet, else 12]
    #[arg(long, value_name = "BLOCKS")]
    confirmations: Option<u32>,
    /// Name of the first network
    #[arg(long, value_name = "NAME", default_value = "main")]
    network_name: String,
    /// No network, wallet or currency yet; the API creates them later
    #[arg(long)]
    no_network: bool,
}

/// `quittance bootstrap`.
pub(crate) async fn run(settings: &Settings, options: &Options) -> anyhow::Result<()> {
    let settings = settings.clone().complete()?;
    let (db, _) = process::connect(&settings).await?;
    process::migrate_database(&settings, &db).await?;
    if !is_empty(&db).await? {
        bail!("this installation was bootstrapped before; its secrets are not kept, make new ones with the API");
    }
    let place = if options.no_network { None } else { Some(remote_place(&settings, options).await?) };
    let base_url = settings.base_url.clone().unwrap_or_else(|| format!("http://{}", settings.listen));
    let (mut bootstrap, tx) = rows::insert(&db, base_url, place.as_ref()).await?;
    let signer = place.as_ref().map(|place| place.signer);
    bootstrap.testnet = place.and_then(|place| place.playground);
    // Shown before they count: nobody could sign in to an installation whose secrets went nowhere.
    let shown = if options.json { serde_json::to_string_pretty(&bootstrap)? } else { for_people(&bootstrap) };
    hand_over(&shown).context("the secrets cannot be shown, so nothing was made")?;
    tx.commit().await?;
    if let Some(signer) = signer.filter(|_| !options.json && !options.testnet) {
        print_line(&format!("The signer {signer} needs coins of the network before its diamond can be deployed."));
    }
    Ok(())
}

fn for_people(bootstrap: &Bootstrap) -> String {
    let Bootstrap { admin, integration, .. } = bootstrap;
    format!(
        "Admin {} with PIN {} (or {} with password {})\nAPI key {}\nSecret  {}\nThese are shown only now.",
        admin.name, admin.pin, admin.email, admin.password, integration.api_key, integration.secret_key,
    )
}

/// The first start of the embedded default; at later ones the network's address is brought up to date. Says whether it
/// is the first.
pub(crate) async fn embedded(
    settings: &Settings,
    db: &Database,
    node: &Devnet,
    base_url: &str,
) -> anyhow::Result<bool> {
    let file = file(settings);
    if !is_empty(db).await? {
        return refresh(settings, db, node, base_url).await.map(|()| false);
    }
    let keystore = settings.keystore()?;
    let chain = node.chain.clone();
    let prepared = prepare(&node.rpc_url, &keystore, async |address| {
        let wei = alloy::primitives::utils::parse_ether("1000")?;
        let chain = chain.clone();
        tokio::task::spawn_blocking(move || chain.fund(address, wei)).await?
    });
    node.chain.set_up(true);
    let prepared = mining(&node.chain, prepared).await;
    node.chain.set_up(false);
    let (signer, playground) = prepared?;
    let place = Place {
        network_name: "devchain".to_owned(),
        chain_id: settings.devchain.chain_id,
        rpc_url: node.rpc_url.clone(),
        confirmations: 1,
        signer,
        playground: Some(playground),
    };
    let (mut bootstrap, tx) = rows::insert(db, base_url.to_owned(), Some(&place)).await?;
    bootstrap.devchain = place.playground;
    // The file first: killed in between, the next start finds an empty database and begins anew.
    write_private(&file, &serde_json::to_vec_pretty(&bootstrap)?)?;
    tx.commit().await?;
    Ok(true)
}

/// Where the embedded default keeps what it shows at its first start.
pub(crate) fn file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("bootstrap.json")
}

/// Reads the data folder's `bootstrap.json`.
pub(crate) fn read(settings: &Settings) -> anyhow::Result<Bootstrap> {
    let file = file(settings);
    let text = std::fs::read(&file).map_err(|error| {
        let file = file.display();
        match error.kind() {
            ErrorKind::NotFound => {
                anyhow!("{file} is not there: start the embedded default first, or name a file with --bootstrap")
            }
            _ => anyhow!("{file} cannot be read: {error}"),
        }
    })?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// Where the first network is, and who signs there.
pub(crate) struct Place {
    network_name: String,
    chain_id: u64,
    rpc_url: String,
    confirmations: u32,
    signer: Address,
    playground: Option<Playground>,
}

async fn is_empty(db: &Database) -> anyhow::Result<bool> {
    Ok(entities::node::Entity::find().count(&**db).await? == 0)
}

async fn remote_place(settings: &Settings, options: &Options) -> anyhow::Result<Place> {
    let (rpc_url, shown) = (options.rpc_url.clone(), without_secrets(&options.rpc_url));
    let node = Node::at(&rpc_url)?;
    let chain_id = node
        .chain_id()
        .await
        .with_context(|| format!("no node answers at {shown}; name one with --rpc-url, or use --no-network"))?;
    let keystore = settings.keystore()?;
    let (signer, playground) = if options.testnet {
        let rich = node.own_account().await;
        let rich = rich.with_context(|| format!("--testnet: the node at {shown} has no accounts of its own"))?;
        let fund = async |address| node.give(rich, address).await;
        let (signer, playground) = prepare(&rpc_url, &keystore, fund).await?;
        (signer, Some(playground))
    } else {
        (keystore.generate().await?, None)
    };
    let confirmations = options.confirmations.unwrap_or(if playground.is_some() { 1 } else { 12 });
    Ok(Place { network_name: options.network_name.clone(), chain_id, rpc_url, confirmations, signer, playground })
}

/// A signer and a payer with coins, the signer's diamond, and a token of which the payer has plenty.
async fn prepare(
    rpc_url: &str,
    keystore: &Keystore,
    fund: impl AsyncFn(Address) -> anyhow::Result<()>,
) -> anyhow::Result<(Address, Playground)> {
    let signer = keystore.generate().await?;
    let payer = alloy::signers::local::PrivateKeySigner::random();
    fund(signer).await?;
    fund(payer.address()).await?;
    let account = Account::connect(rpc_url.into(), keystore.signer(signer).await?).await?;
    // A playground has nobody whose key lies in a safe.
    let deployment = Deployment { owner: signer, operators: vec![signer], delay_s: 0 };
    let diamond = account.deploy_diamond(&deployment).await?;
    let token = account.deploy_test_token().await?;
    account.mint(token, payer.address(), PAYER_UNITS).await?;
    let playground = Playground {
        rpc_url: rpc_url.to_owned(),
        chain_id: account.chain_id(),
        diamond_address: diamond.to_checksum(None),
        tokens: BTreeMap::from([("USDT".to_owned(), token.to_checksum(None))]),
        payer: Payer {
            address: payer.address().to_checksum(None),
            private_key: alloy::hex::encode_prefixed(payer.to_bytes()),
        },
    };
    Ok((signer, playground))
}

/// Mines quickly while the future runs, so that a first start does not wait for the block interval.
async fn mining<T>(chain: &devchain::DevChain, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(std::time::Duration::from_millis(10)) => {
                let chain = chain.clone();
                tokio::task::spawn_blocking(move || chain.mine(1)).await??;
            }
        }
    }
}

/// Addresses may have changed since the last start.
async fn refresh(settings: &Settings, db: &Database, node: &Devnet, base_url: &str) -> anyhow::Result<()> {
    let mut bootstrap = read(settings)?;
    let Some(devchain) = &mut bootstrap.devchain else { return Ok(()) };
    if bootstrap.base_url == base_url && devchain.rpc_url == node.rpc_url {
        return Ok(());
    }
    let tx = db.begin().await?;
    if let Some(network_id) = bootstrap.network_id {
        let network = entities::network::ActiveModel {
            id: Set(entities::NetworkId(network_id)),
            rpc_urls: Set(serde_json::json!([node.rpc_url])),
            updated_at: Set(entities::now()),
            ..Default::default()
        };
        entities::network::Entity::update(network).exec(&*tx).await?;
    }
    tx.commit().await?;
    devchain.rpc_url.clone_from(&node.rpc_url);
    base_url.clone_into(&mut bootstrap.base_url);
    write_private(&file(settings), &serde_json::to_vec_pretty(&bootstrap)?)
}
