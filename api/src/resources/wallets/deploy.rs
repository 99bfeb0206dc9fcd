//! Deploying a wallet's diamond on a network.

use entities::{DiamondId, DiamondStatus, diamond, now, wallet};
use payments::{Caller, jobs::DeployDiamond};
use poem_openapi::{Enum, Object, types::Example};
use queue::{NewMessage, Transaction, insert_unless_there};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::super::networks;
use crate::{
    audit,
    problem::{Problem, Wrong},
    reach,
};

/// Where the diamond shall be deployed.
#[derive(Object)]
#[oai(example)]
pub(crate) struct DeployRequest {
    /// The node it is deployed for: the wallet's, or one below it.
    node_id: Uuid,
    /// The network.
    network_id: Uuid,
}

impl Example for DeployRequest {
    fn example() -> Self {
        Self { node_id: Uuid::nil(), network_id: Uuid::nil() }
    }
}

/// A deployment that was asked for.
#[derive(Object)]
pub(crate) struct Deployment {
    /// Always `deploy_diamond`.
    step: String,
    /// Identifies the deployment; the same for every call for this wallet and network.
    transaction_id: Uuid,
    /// Always `started`; the wallet tells how far it is.
    status: String,
}

/// How far a diamond's deployment is.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case", remote = "DiamondStatus")]
pub(crate) enum DeploymentStatus {
    /// Asked for.
    Started,
    /// Final on chain.
    Deployed,
    /// Definitely not deployed; asking again starts it again.
    Failed,
}

/// A wallet's diamond on a network.
#[derive(Object)]
pub(crate) struct Diamond {
    /// Identifies the deployment.
    id: Uuid,
    network_id: Uuid,
    status: DeploymentStatus,
    /// The contract; null until it is deployed.
    address: Option<String>,
    /// The transaction that deployed it; null until it is known.
    transaction_hash: Option<String>,
    /// Why it failed; null otherwise.
    failure_message: Option<String>,
}

impl From<diamond::Model> for Diamond {
    fn from(diamond: diamond::Model) -> Self {
        Self {
            id: diamond.id.0,
            network_id: diamond.network_id.0,
            status: diamond.status.into(),
            address: diamond.address,
            transaction_hash: diamond.transaction_hash,
            failure_message: diamond.failure_message,
        }
    }
}

/// Asks for the diamond, once.
pub(crate) async fn start(
    tx: &mut Transaction,
    caller: &Caller,
    wallet: &wallet::Model,
    request: &DeployRequest,
) -> Result<Deployment, Problem> {
    let node = reach::node(&**tx, caller, request.node_id).await?;
    let network = networks::find(&**tx, request.network_id).await?;
    if network.chain_id != wallet.chain_id {
        return Err(Problem::invalid("/network_id", Wrong::Rule("is not a network of the wallet's chain")));
    }
    let new = diamond::Model {
        id: DiamondId::new(),
        wallet_id: wallet.id,
        network_id: network.id,
        node_id: node.id,
        status: DiamondStatus::Started,
        address: None,
        transaction_hash: None,
        failure_code: None,
        failure_message: None,
        created_at: now(),
        updated_at: now(),
    };
    let once = [diamond::Column::WalletId, diamond::Column::NetworkId];
    let inserted = insert_unless_there(&**tx, new.into_active_model(), once).await?;
    let diamond = diamond::Entity::find()
        .filter(diamond::Column::WalletId.eq(wallet.id))
        .filter(diamond::Column::NetworkId.eq(network.id))
        .one(&**tx)
        .await?
        .ok_or_else(|| Problem::not_found("Diamond"))?;
    if inserted || again(tx, &diamond).await? {
        tx.enqueue(vec![NewMessage::of(&DeployDiamond::new(diamond.id, diamond.node_id))]).await?;
        let data = json!({ "wallet_id": wallet.id, "network_id": network.id });
        audit::record(tx, caller, "diamond.deploy", ("diamond", diamond.id), data).await?;
    }
    let (step, status) = ("deploy_diamond".to_owned(), "started".to_owned());
    Ok(Deployment { step, transaction_id: diamond.id.0, status })
}

/// Takes a definitely failed deployment up again; of several who ask at once, one does.
async fn again(tx: &Transaction, diamond: &diamond::Model) -> Result<bool, DbErr> {
    let again = diamond::ActiveModel {
        status: Set(DiamondStatus::Started),
        failure_code: Set(None),
        failure_message: Set(None),
        updated_at: Set(now()),
        ..Default::default()
    };
    let updated = diamond::Entity::update_many()
        .set(again)
        .filter(diamond::Column::Id.eq(diamond.id))
        .filter(diamond::Column::Status.eq(DiamondStatus::Failed))
        .exec(&**tx)
        .await?;
    Ok(updated.rows_affected == 1)
}
