//! The rows themselves, in one transaction that the caller commits.

use std::collections::BTreeMap;

use anyhow::Context;
use entities::{
    ChainId, CurrencyId, DiamondId, DiamondStatus, IntegrationId, NetworkId, NodeId, RoleId, UserId, WalletId, chain,
    currency, diamond, integration, network, node, now, role, signer, user, wallet,
};
use payments::Permission;
use queue::{Database, Transaction};
use rand::{Rng, TryRngCore, rngs::OsRng};
use sea_orm::{EntityTrait, IntoActiveModel};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Admin, Bootstrap, Integration, Place};

/// Inserts everything and returns what has to be shown, with the transaction that still has to be committed.
pub(super) async fn insert(
    db: &Database,
    base_url: String,
    place: Option<&Place>,
) -> anyhow::Result<(Bootstrap, Transaction)> {
    let tx = db.begin().await?;
    let now = now();
    let root = node::Model {
        id: NodeId::new(),
        parent_id: None,
        path: "1".to_owned(),
        number: 1,
        name: "root".to_owned(),
        plan: entities::Plan::Starter,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    let node_id = root.id;
    node::Entity::insert(root.into_active_model()).exec_without_returning(&*tx).await?;
    let admin = admin(&tx, node_id).await?;
    let integration = integration(&tx, node_id).await?;
    let evm =
        chain::Model { id: ChainId::new(), name: "evm".to_owned(), created_at: now, updated_at: now, deleted_at: None };
    let chain_id = evm.id;
    chain::Entity::insert(evm.into_active_model()).exec_without_returning(&*tx).await?;
    let mut bootstrap = Bootstrap {
        base_url,
        admin,
        integration,
        node_id: node_id.0,
        chain_id: chain_id.0,
        network_id: None,
        wallet_id: None,
        currencies: BTreeMap::new(),
        devchain: None,
        testnet: None,
    };
    if let Some(place) = place {
        let network_id = network(&tx, chain_id, place).await?;
        let wallet_id = wallet(&tx, node_id, chain_id, network_id, place).await?;
        bootstrap.network_id = Some(network_id.0);
        bootstrap.wallet_id = Some(wallet_id.0);
        bootstrap.currencies = currencies(&tx, network_id, place).await?;
    }
    Ok((bootstrap, tx))
}

async fn admin(tx: &Transaction, node_id: NodeId) -> anyhow::Result<Admin> {
    let now = now();
    let role = role::Model { id: RoleId::new(), name: "admin".to_owned(), is_admin: true, created_at: now };
    let pin = format!("{:08}", OsRng.unwrap_err().random_range(0..100_000_000_u32));
    let password = crate::secrets::random_text()?[..24].to_owned();
    let admin = Admin { name: "admin".to_owned(), pin, email: "admin@quittance.localhost".to_owned(), password };
    let row = user::Model {
        id: UserId::new(),
        node_id,
        role_id: role.id,
        name: admin.name.clone(),
        email: Some(admin.email.clone()),
        phone: None,
        pin_hash: api::hash_pin(&SecretString::from(admin.pin.clone()))?,
        password_hash: Some(api::hash_pin(&SecretString::from(admin.password.clone()))?),
        created_at: now,
        updated_at: now,
        disabled_at: None,
    };
    role::Entity::insert(role.into_active_model()).exec_without_returning(&**tx).await?;
    user::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    Ok(admin)
}

async fn integration(tx: &Transaction, node_id: NodeId) -> anyhow::Result<Integration> {
    let key = api::NewSecret::generate("qk_")?.secret;
    let secret = api::NewSecret::generate("qs_")?;
    let permissions: Vec<&str> = Permission::ALL.iter().map(|permission| permission.word()).collect();
    let row = integration::Model {
        id: IntegrationId::new(),
        node_id,
        name: "first".to_owned(),
        api_key: key.expose_secret().to_owned(),
        secret_hash: secret.hash,
        permissions: json!(permissions),
        expires_at: None,
        revoked_at: None,
        created_at: now(),
    };
    integration::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    Ok(Integration { api_key: key.expose_secret().to_owned(), secret_key: secret.secret.expose_secret().to_owned() })
}

async fn network(tx: &Transaction, chain_id: ChainId, place: &Place) -> anyhow::Result<NetworkId> {
    let now = now();
    let row = network::Model {
        id: NetworkId::new(),
        chain_id,
        network_id: i64::try_from(place.chain_id).context("the node's chain id is out of range")?,
        name: place.network_name.clone(),
        rpc_urls: json!([place.rpc_url]),
        confirmations: i32::try_from(place.confirmations).context("--confirmations")?,
        explorer_url: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    let id = row.id;
    network::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    Ok(id)
}

/// The first signer, with its diamond where one is deployed already.
async fn wallet(
    tx: &Transaction,
    node_id: NodeId,
    chain_id: ChainId,
    network_id: NetworkId,
    place: &Place,
) -> anyhow::Result<WalletId> {
    let now = now();
    let row = wallet::Model {
        id: WalletId::new(),
        node_id,
        chain_id,
        name: "first".to_owned(),
        address: place.signer.to_checksum(None),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    let id = row.id;
    let signer = signer::Model::new(node_id, &row.address, &row.name);
    signer::Entity::insert(signer.into_active_model()).exec_without_returning(&**tx).await?;
    wallet::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    if let Some(playground) = &place.playground {
        let row = diamond::Model {
            id: DiamondId::new(),
            wallet_id: id,
            network_id,
            node_id,
            status: DiamondStatus::Deployed,
            // See `prepare`: a playground's diamond is its signer's.
            owner: Some(place.signer.to_checksum(None)),
            address: Some(playground.diamond_address.clone()),
            transaction_hash: None,
            failure_code: None,
            failure_message: None,
            created_at: now,
            updated_at: now,
        };
        diamond::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    }
    Ok(id)
}

async fn currencies(
    tx: &Transaction,
    network_id: NetworkId,
    place: &Place,
) -> anyhow::Result<BTreeMap<String, sea_orm::prelude::Uuid>> {
    let mut ids = BTreeMap::new();
    for (symbol, address) in place.playground.iter().flat_map(|playground| &playground.tokens) {
        let now = now();
        let row = currency::Model {
            id: CurrencyId::new(),
            network_id: Some(network_id),
            symbol: symbol.clone(),
            name: "Test dollar".to_owned(),
            address: Some(address.clone()),
            decimals: 6,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        ids.insert(symbol.clone(), row.id.0);
        currency::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    }
    Ok(ids)
}
