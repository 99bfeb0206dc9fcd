//! Signers of a node.

mod deploy;

use entities::{ChainId, WalletId, diamond, now, wallet};
use payments::{Caller, evm_address};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Transaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, prelude::*,
};
use serde_json::json;
use uuid::Uuid;

use self::deploy::{DeployRequest, Deployment, Diamond};
use super::{Tag, chains, signers};
use crate::{
    access::{Allowed, NodesManage, PaymentsRead},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Format, Problem, Refused},
    reach,
    response::{Created, NoContent},
    state::State,
    time::Time,
};

/// A wallet to be created. Its key is not sent here: it lies in the workers' keystore or with a remote signer.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewWallet {
    /// The node it belongs to; nodes below use it too, unless they have one of their own.
    node_id: Uuid,
    /// The chain it signs on.
    chain_id: Uuid,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// The signer's address, lower case or with its checksum.
    #[oai(validator(min_length = 1, max_length = 255))]
    address: String,
}

impl Example for NewWallet {
    fn example() -> Self {
        Self {
            node_id: Uuid::nil(),
            chain_id: Uuid::nil(),
            name: "Main signer".to_owned(),
            address: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".to_owned(),
        }
    }
}

/// What may be changed of a wallet.
#[derive(Object)]
#[oai(example)]
pub(crate) struct WalletChange {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
}

impl Example for WalletChange {
    fn example() -> Self {
        Self { name: "Old signer".to_owned() }
    }
}

/// A signer of a node.
#[derive(Object)]
pub(crate) struct Wallet {
    id: Uuid,
    node_id: Uuid,
    chain_id: Uuid,
    name: String,
    /// The signer's address.
    address: String,
    /// Its diamonds, one a network at most; in lists always empty.
    diamonds: Vec<Diamond>,
    created_at: Time,
    updated_at: Time,
}

impl From<wallet::Model> for Wallet {
    fn from(wallet: wallet::Model) -> Self {
        Self {
            id: wallet.id.0,
            node_id: wallet.node_id.0,
            chain_id: wallet.chain_id.0,
            name: wallet.name,
            address: wallet.address,
            diamonds: Vec::new(),
            created_at: wallet.created_at.into(),
            updated_at: wallet.updated_at.into(),
        }
    }
}

/// The wallet, if it exists and its node is in reach.
pub(crate) async fn find(db: &impl ConnectionTrait, caller: &Caller, id: Uuid) -> Result<wallet::Model, Problem> {
    let live = wallet::Column::Id.eq(WalletId(id)).and(wallet::Column::DeletedAt.is_null());
    reach::find::<wallet::Entity>(db, caller, "Wallet", live).await
}

pub(crate) struct Wallets(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/wallets", tag = "Tag::Wallets")]
impl Wallets {
    /// Create a wallet
    ///
    /// The address has to be a signer of its node or of one above it that is in the caller's reach, see *Signers*; a caller on
    /// the root node may name one that is nobody's yet, which then belongs to the wallet's node. 404 when its node, its chain or
    /// such a signer does not exist, 403 when the node is out of reach.
    #[oai(path = "/", method = "post", operation_id = "create_wallet")]
    async fn create(
        &self,
        caller: Allowed<NodesManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewWallet>,
    ) -> Result<Created<Wallet>, Refused<404, 409, 422>> {
        let wallet = once.create(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await).await?;
        Ok(Created::at(format!("/api/v1/wallets/{}", wallet.id), wallet))
    }

    /// List wallets
    ///
    /// Those of the nodes in the caller's reach, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_wallets")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Only those of this node and of the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Wallet>>, Refused<404>> {
        let wallets = reach::rows::<wallet::Entity>(&**self.0.db(), &caller, node_id.0).await?;
        let wallets = wallets.filter(wallet::Column::DeletedAt.is_null()).order_by_desc(wallet::Column::Id);
        Ok(Json(paging::read(self.0.db(), wallets, page.0, per_page.0, Wallet::from).await?))
    }

    /// Get a wallet
    ///
    /// With its diamonds and how far their deployment is.
    #[oai(path = "/:id", method = "get", operation_id = "get_wallet")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The wallet.
        id: Path<Uuid>,
    ) -> Result<Json<Wallet>, Refused<404>> {
        let db = &**self.0.db();
        let wallet = find(db, &caller, id.0).await?;
        let diamonds = diamond::Entity::find().filter(diamond::Column::WalletId.eq(wallet.id)).all(db).await?;
        let diamonds = diamonds.into_iter().map(Diamond::from).collect();
        Ok(Json(Wallet { diamonds, ..wallet.into() }))
    }

    /// Rename a wallet
    ///
    /// Only the name may change: its address has signed what is on chain.
    #[oai(path = "/:id", method = "patch", operation_id = "update_wallet")]
    async fn update(
        &self,
        caller: Allowed<NodesManage>,
        /// The wallet.
        id: Path<Uuid>,
        body: Body<WalletChange>,
    ) -> Result<Json<Wallet>, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let mut wallet = find(&*tx, &caller, id.0).await?.into_active_model();
        (wallet.name, wallet.updated_at) = (Set(body.value.name), Set(now()));
        let wallet = wallet.update(&*tx).await?;
        audit::record(&tx, &caller, "wallet.update", ("wallet", wallet.id), json!({ "name": wallet.name })).await?;
        tx.commit().await?;
        Ok(Json(wallet.into()))
    }

    /// Delete a wallet
    ///
    /// New payments no longer use it; deals it has opened are still released and canceled by it.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_wallet")]
    async fn delete(
        &self,
        caller: Allowed<NodesManage>,
        /// The wallet.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let mut wallet = find(&*tx, &caller, id.0).await?.into_active_model();
        wallet.deleted_at = Set(Some(now()));
        let wallet = wallet.update(&*tx).await?;
        audit::record(&tx, &caller, "wallet.delete", ("wallet", wallet.id), json!({})).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }

    /// Deploy the wallet's diamond
    ///
    /// Asks a worker to deploy the deal contract on a network, operated by this wallet and owned by `owner`. Safe to repeat: a
    /// wallet has one diamond a network, and a second call returns the first answer, with the first owner. Only a deployment
    /// that has definitely failed is started again, for the owner that is named then. The wallet tells how far it is. With
    /// `address` a diamond that stands there already is taken instead, by callers on the root node; another one than the wallet
    /// has is 409.
    #[oai(path = "/:id/deploy", method = "post", operation_id = "deploy_wallet")]
    async fn deploy(
        &self,
        caller: Allowed<NodesManage>,
        /// The wallet.
        id: Path<Uuid>,
        /// Makes a repetition safe; it is so without one, too.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<DeployRequest, true>,
    ) -> Result<Created<Deployment>, Refused<404, 409, 422>> {
        let deployment = once.create(&caller, &body.canonical, async |tx| {
            let wallet = find(&**tx, &caller, id.0).await?;
            deploy::start(tx, &caller, &wallet, &body.value, self.0.config().diamond_owner.as_deref()).await
        });
        // The wallet tells how far it is.
        Ok(Created::at(format!("/api/v1/wallets/{}", id.0), deployment.await?))
    }
}

async fn insert(tx: &Transaction, caller: &Caller, new: NewWallet) -> Result<Wallet, Problem> {
    if !evm_address::is_valid(&new.address) {
        return Err(Problem::invalid("/address", Format::EvmAddress));
    }
    let node = reach::node(&**tx, caller, new.node_id).await?;
    chains::find(&**tx, new.chain_id).await?;
    signers::of_wallet(tx, caller, &node, &new.address, &new.name).await?;
    let wallet = wallet::ActiveModel {
        id: Set(WalletId::new()),
        node_id: Set(node.id),
        chain_id: Set(ChainId(new.chain_id)),
        name: Set(new.name),
        address: Set(new.address),
        created_at: Set(now()),
        updated_at: Set(now()),
        deleted_at: Set(None),
    };
    let wallet = wallet.insert(&**tx).await?;
    let data = json!({ "node_id": wallet.node_id, "address": wallet.address });
    audit::record(tx, caller, "wallet.create", ("wallet", wallet.id), data).await?;
    Ok(wallet.into())
}
