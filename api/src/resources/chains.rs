//! Families of networks.

use entities::{ChainId, Shared as _, chain, network, now};
use payments::Caller;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Transaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, prelude::*,
};
use serde_json::json;
use uuid::Uuid;

use super::Tag;
use crate::{
    access::{Allowed, PaymentsRead, SharedDataManage},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Problem, Refused},
    response::{Created, NoContent},
    state::State,
    time::Time,
};

/// A chain, to be created or renamed.
#[derive(Object)]
#[oai(example)]
pub(crate) struct ChainName {
    /// Its name, such as `evm`; no two chains have the same.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
}

impl Example for ChainName {
    fn example() -> Self {
        Self { name: "starknet".to_owned() }
    }
}

/// A family of networks.
#[derive(Object)]
pub(crate) struct Chain {
    id: Uuid,
    name: String,
    created_at: Time,
    updated_at: Time,
}

impl From<chain::Model> for Chain {
    fn from(chain: chain::Model) -> Self {
        Self {
            id: chain.id.0,
            name: chain.name,
            created_at: chain.created_at.into(),
            updated_at: chain.updated_at.into(),
        }
    }
}

/// The chain, if it exists and is in use.
pub(crate) async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<chain::Model, Problem> {
    let chain = chain::Entity::find_shared(ChainId(id)).filter(chain::Column::DeletedAt.is_null()).one(db).await?;
    chain.ok_or_else(|| Problem::not_found("Chain"))
}

pub(crate) struct Chains(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/chains", tag = "Tag::ReferenceData")]
impl Chains {
    /// Create a chain
    ///
    /// 409 when there is one with this name.
    #[oai(path = "/", method = "post", operation_id = "create_chain")]
    async fn create(
        &self,
        caller: Allowed<SharedDataManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<ChainName>,
    ) -> Result<Created<Chain>, Refused<409, 422>> {
        let chain = once.create(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await).await?;
        Ok(Created::at(format!("/api/v1/chains/{}", chain.id), chain))
    }

    /// List chains
    ///
    /// Families of networks that share an address format and a way to sign, such as `evm`; newest first.
    #[oai(path = "/", method = "get", operation_id = "list_chains")]
    async fn list(
        &self,
        _caller: Allowed<PaymentsRead>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Chain>>, Refused> {
        let chains = chain::Entity::find().filter(chain::Column::DeletedAt.is_null()).order_by_desc(chain::Column::Id);
        Ok(Json(paging::read(self.0.db(), chains, page.0, per_page.0, Chain::from).await?))
    }

    /// Get a chain
    ///
    /// 404 when it does not exist or was deleted.
    #[oai(path = "/:id", method = "get", operation_id = "get_chain")]
    async fn get(
        &self,
        _caller: Allowed<PaymentsRead>,
        /// The chain.
        id: Path<Uuid>,
    ) -> Result<Json<Chain>, Refused<404>> {
        Ok(Json(find(&**self.0.db(), id.0).await?.into()))
    }

    /// Rename a chain
    ///
    /// Its networks stay its own. 409 when another chain has the name.
    #[oai(path = "/:id", method = "patch", operation_id = "update_chain")]
    async fn update(
        &self,
        caller: Allowed<SharedDataManage>,
        /// The chain.
        id: Path<Uuid>,
        body: Body<ChainName>,
    ) -> Result<Json<Chain>, Refused<404, 409>> {
        let tx = self.0.db().begin().await?;
        let mut chain = find(&*tx, id.0).await?.into_active_model();
        chain.name = Set(body.value.name);
        chain.updated_at = Set(now());
        let chain = chain.update(&*tx).await.map_err(|error| Problem::taken(error, "The name is taken"))?;
        audit::record(&tx, &caller, "chain.update", ("chain", chain.id), json!({ "name": chain.name })).await?;
        tx.commit().await?;
        Ok(Json(chain.into()))
    }

    /// Delete a chain
    ///
    /// 409 while it has networks.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_chain")]
    async fn delete(
        &self,
        caller: Allowed<SharedDataManage>,
        /// The chain.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404, 409>> {
        let tx = self.0.db().begin().await?;
        let chain = find(&*tx, id.0).await?;
        let networks = network::Entity::find()
            .filter(network::Column::ChainId.eq(chain.id))
            .filter(network::Column::DeletedAt.is_null())
            .count(&*tx)
            .await?;
        if networks > 0 {
            return Err(Problem::conflict("The chain has networks").into());
        }
        audit::record(&tx, &caller, "chain.delete", ("chain", chain.id), json!({})).await?;
        // The name becomes free again; the row stays for what refers to it.
        let name = format!("{} (deleted {})", chain.name, chain.id);
        let mut chain = chain.into_active_model();
        (chain.name, chain.deleted_at) = (Set(name), Set(Some(now())));
        chain.update(&*tx).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

async fn insert(tx: &Transaction, caller: &Caller, new: ChainName) -> Result<Chain, Problem> {
    let chain = chain::ActiveModel {
        id: Set(ChainId::new()),
        name: Set(new.name),
        created_at: Set(now()),
        updated_at: Set(now()),
        deleted_at: Set(None),
    };
    let chain = chain.insert(&**tx).await.map_err(|error| Problem::taken(error, "The name is taken"))?;
    audit::record(tx, caller, "chain.create", ("chain", chain.id), json!({ "name": chain.name })).await?;
    Ok(chain.into())
}
