//! Where diamonds stand, and whose addresses are known here.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use anyhow::{Context, bail};
use entities::{DiamondStatus, NetworkId, diamond, network, wallet};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use secrecy::SecretString;

use crate::settings::Settings;

/// A network and how its nodes are asked.
pub(super) struct Place {
    pub(super) network: network::Model,
    pub(super) nodes: chain::Network,
}

/// A diamond of the installation.
pub(super) struct Deployed {
    pub(super) network_id: NetworkId,
    pub(super) address: Address,
}

/// The networks in use.
pub(super) async fn networks(db: &Database) -> anyhow::Result<Vec<Place>> {
    let live = network::Entity::find().filter(network::Column::DeletedAt.is_null());
    let networks = live.order_by_asc(network::Column::Name).all(&**db).await?;
    networks.into_iter().map(place).collect()
}

fn place(network: network::Model) -> anyhow::Result<Place> {
    let urls: Vec<String> = serde_json::from_value(network.rpc_urls.clone())
        .with_context(|| format!("the addresses of the nodes of network {}", network.name))?;
    let nodes = chain::Network {
        id: network.id.0,
        chain_id: u64::try_from(network.network_id)
            .with_context(|| format!("the number of network {}", network.name))?,
        rpc_urls: urls.into_iter().map(SecretString::from).collect(),
        confirmations: u32::try_from(network.confirmations).unwrap_or(1),
    };
    Ok(Place { network, nodes })
}

/// The diamonds that are deployed, each once.
pub(super) async fn diamonds(db: &Database) -> anyhow::Result<Vec<Deployed>> {
    let rows = diamond::Entity::find()
        .filter(diamond::Column::Status.eq(DiamondStatus::Deployed))
        .order_by_asc(diamond::Column::CreatedAt)
        .all(&**db)
        .await?;
    let mut deployed: Vec<Deployed> = Vec::new();
    for row in rows {
        let Some(address) = row.address.as_deref().and_then(|address| address.parse().ok()) else { continue };
        if !deployed.iter().any(|known| known.network_id == row.network_id && known.address == address) {
            deployed.push(Deployed { network_id: row.network_id, address });
        }
    }
    Ok(deployed)
}

/// Who the addresses are that sign for the installation: wallets of the network's chain, and `chain.signers`.
pub(super) async fn signers(
    settings: &Settings,
    db: &Database,
    network: &network::Model,
) -> anyhow::Result<BTreeMap<Address, String>> {
    let wallets = wallet::Entity::find().filter(wallet::Column::ChainId.eq(network.chain_id)).all(&**db).await?;
    let mut known = BTreeMap::new();
    for signer in &settings.chain.signers {
        known.insert(*signer, "chain.signers".to_owned());
    }
    for wallet in wallets {
        let Ok(address) = wallet.address.parse() else { continue };
        let deleted = if wallet.deleted_at.is_some() { "deleted wallet" } else { "wallet" };
        known.insert(address, format!("{deleted} {}", wallet.name));
    }
    Ok(known)
}

/// Where the diamond stands that is asked about.
pub(super) async fn find(db: &Database, diamond: Address, wanted: Option<&str>) -> anyhow::Result<Place> {
    let networks = networks(db).await?.into_iter();
    let mut networks: Vec<Place> =
        networks.filter(|place| wanted.is_none_or(|wanted| is_called(&place.network, wanted))).collect();
    if let Some(wanted) = wanted.filter(|_| networks.is_empty()) {
        bail!("there is no network {wanted}; `quittance diamonds list` names them");
    }
    let ours = diamonds(db).await?;
    let stands =
        |place: &Place| ours.iter().any(|known| known.address == diamond && known.network_id == place.network.id);
    // One that another installation has deployed is taken where it was said to be.
    if wanted.is_none() || networks.len() > 1 {
        networks.retain(stands);
    }
    match networks.len() {
        1 => networks.pop().context("a network"),
        0 => bail!(
            "no diamond of this installation is at {diamond}: `quittance diamonds list` shows them; if it is another's, say \
             where it is with --network"
        ),
        _ => bail!("there is a diamond at {diamond} on several networks: say which one with --network"),
    }
}

fn is_called(network: &network::Model, wanted: &str) -> bool {
    network.name == wanted || network.id.to_string() == wanted || network.network_id.to_string() == wanted
}
