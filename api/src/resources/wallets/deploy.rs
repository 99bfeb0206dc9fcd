//! Deploying a wallet's diamond on a network.

use entities::{DiamondId, DiamondStatus, NetworkId, diamond, now, wallet};
use payments::{Caller, evm_address, jobs::DeployDiamond};
use poem_openapi::{Enum, Object, types::Example};
use queue::{NewMessage, Transaction, insert_unless_there};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::super::networks;
use crate::{
    access::at_root,
    audit,
    problem::{Code, Format, Problem, Wrong},
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
    /// Whom the diamond belongs to: an address of which no key is needed here, best one whose key lies in a safe; lower case
    /// or with its checksum. Without it the one that the installation is configured with, else the wallet's.
    #[oai(validator(min_length = 1, max_length = 255))]
    owner: Option<String>,
    /// A diamond that stands there already and lets this wallet open, release and cancel deals: it is taken as it is, and
    /// nothing is deployed; only admins and callers on the root node may do so. One that somebody else has written is described
    /// in the configuration (`chain.dialects`).
    #[oai(validator(min_length = 1, max_length = 255))]
    address: Option<String>,
}

impl Example for DeployRequest {
    fn example() -> Self {
        let owner = Some("0x70997970c51812dc3a010c7d01b50e0d17dc79c8".to_owned());
        Self { node_id: Uuid::nil(), network_id: Uuid::nil(), owner, address: None }
    }
}

/// A deployment that was asked for.
#[derive(Object)]
pub(crate) struct Deployment {
    /// Always `deploy_diamond`.
    step: String,
    /// Identifies the deployment; the same for every call for this wallet and network.
    transaction_id: Uuid,
    /// `started`, the wallet tells how far it is; or `deployed` for a diamond that was there.
    status: String,
    /// Whom the diamond will belong to: as it was first asked for, whatever a repetition says. Null if nobody has recorded it.
    owner: Option<String>,
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
    /// Whom it belongs to since it was deployed; who has taken it over later is not told here. Null if nobody has recorded
    /// it.
    owner: Option<String>,
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
            owner: diamond.owner,
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
    configured: Option<&str>,
) -> Result<Deployment, Problem> {
    let node = reach::node(&**tx, caller, request.node_id).await?;
    let network = networks::find(&**tx, request.network_id).await?;
    if network.chain_id != wallet.chain_id {
        return Err(Problem::invalid("/network_id", Wrong::Rule("is not a network of the wallet's chain")));
    }
    let address = existing(caller, request)?;
    let owner = match address {
        Some(_) => None,
        None => Some(owner(request, configured, wallet)?.to_owned()),
    };
    let status = if address.is_some() { DiamondStatus::Deployed } else { DiamondStatus::Started };
    let new = diamond::Model {
        id: DiamondId::new(),
        wallet_id: wallet.id,
        network_id: network.id,
        node_id: node.id,
        status,
        owner: owner.clone(),
        address: address.map(str::to_owned),
        transaction_hash: None,
        failure_code: None,
        failure_message: None,
        created_at: now(),
        updated_at: now(),
    };
    let once = [diamond::Column::WalletId, diamond::Column::NetworkId];
    let inserted = insert_unless_there(&**tx, new.into_active_model(), once).await?;
    let is_new = inserted || again(tx, wallet, network.id, (status, owner, address)).await?;
    // Read last: it says what somebody else may have asked for just before.
    let diamond = diamond::Entity::find()
        .filter(diamond::Column::WalletId.eq(wallet.id))
        .filter(diamond::Column::NetworkId.eq(network.id))
        .one(&**tx)
        .await?
        .ok_or_else(|| Problem::not_found("Diamond"))?;
    if address.is_some_and(|address| !diamond.address.as_deref().unwrap_or_default().eq_ignore_ascii_case(address)) {
        return Err(Problem::conflict("The wallet has another diamond on this network, or one is being deployed"));
    }
    if is_new && address.is_some() {
        let data = json!({ "wallet_id": wallet.id, "network_id": network.id, "address": address });
        audit::record(tx, caller, "diamond.adopt", ("diamond", diamond.id), data).await?;
    } else if is_new {
        tx.enqueue(vec![NewMessage::of(&DeployDiamond::new(diamond.id, diamond.node_id))]).await?;
        let data = json!({ "wallet_id": wallet.id, "network_id": network.id, "owner": diamond.owner });
        audit::record(tx, caller, "diamond.deploy", ("diamond", diamond.id), data).await?;
    }
    let status = if address.is_some() { "deployed" } else { "started" };
    let (step, status) = ("deploy_diamond".to_owned(), status.to_owned());
    Ok(Deployment { step, transaction_id: diamond.id.0, status, owner: diamond.owner })
}

/// Whom the diamond shall belong to. Decided here and kept, so that it is what the answer says whatever the settings of the
/// worker that deploys it.
fn owner<'a>(
    request: &'a DeployRequest,
    configured: Option<&'a str>,
    wallet: &'a wallet::Model,
) -> Result<&'a str, Problem> {
    let Some(owner) = request.owner.as_deref() else { return Ok(configured.unwrap_or(&wallet.address)) };
    if !evm_address::is_valid(owner) {
        return Err(Problem::invalid("/owner", Format::EvmAddress));
    }
    if owner.bytes().skip(2).all(|digit| digit == b'0') {
        return Err(Problem::invalid("/owner", Wrong::Rule("is the zero address, which nobody has the key of")));
    }
    Ok(owner)
}

/// The diamond that is there already.
fn existing<'a>(caller: &Caller, request: &'a DeployRequest) -> Result<Option<&'a str>, Problem> {
    let Some(address) = request.address.as_deref() else { return Ok(None) };
    // Keys that all nodes share spend their gas on what it does, and what it says counts as paid.
    if !at_root(caller) {
        let detail = "Only admins and callers on the root node may take a contract that is there already";
        return Err(Problem::new(Code::PermissionMissing).detail(detail));
    }
    if !evm_address::is_valid(address) {
        return Err(Problem::invalid("/address", Format::EvmAddress));
    }
    if address.bytes().skip(2).all(|digit| digit == b'0') {
        return Err(Problem::invalid("/address", Wrong::Rule("is the zero address, where no contract stands")));
    }
    if request.owner.is_some() {
        return Err(Problem::invalid(
            "/owner",
            Wrong::Rule("is for a diamond that is deployed; this one has its owner"),
        ));
    }
    Ok(Some(address))
}

/// Takes a definitely failed deployment up again; of several who ask at once, one does.
async fn again(
    tx: &Transaction,
    wallet: &wallet::Model,
    network_id: NetworkId,
    (status, owner, address): (DiamondStatus, Option<String>, Option<&str>),
) -> Result<bool, DbErr> {
    let again = diamond::ActiveModel {
        status: Set(status),
        owner: Set(owner),
        address: Set(address.map(str::to_owned)),
        failure_code: Set(None),
        failure_message: Set(None),
        updated_at: Set(now()),
        ..Default::default()
    };
    let updated = diamond::Entity::update_many()
        .set(again)
        .filter(diamond::Column::WalletId.eq(wallet.id))
        .filter(diamond::Column::NetworkId.eq(network_id))
        .filter(diamond::Column::Status.eq(DiamondStatus::Failed))
        .exec(&**tx)
        .await?;
    Ok(updated.rows_affected == 1)
}
