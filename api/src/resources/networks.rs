//! Networks of a chain, and how they are reached.

use entities::{NetworkId, Shared as _, network, now};
use payments::Caller;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::{Example, MaybeUndefined},
};
use queue::Transaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    prelude::*,
};
use serde_json::json;
use uuid::Uuid;

use super::{Tag, chains};
use crate::{
    access::{Allowed, PaymentsRead, SharedDataManage, at_root},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Problem, Refused},
    response::{Created, NoContent},
    state::State,
    time::Time,
    web_url::WebUrl,
};

/// A network to be created.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewNetwork {
    /// The chain it belongs to.
    chain_id: Uuid,
    /// The chain's own number, such as 1 or 137; no two networks have the same.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    network_id: i64,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// JSON-RPC addresses in order of preference. They may hold keys, so only managers see them.
    #[oai(validator(min_items = 1, max_items = 16))]
    rpc_urls: Vec<WebUrl>,
    /// Blocks on top before something is final.
    #[oai(default = "default_confirmations", validator(minimum(value = "0"), maximum(value = "10000")))]
    confirmations: i32,
    /// Where people look transactions up.
    explorer_url: Option<WebUrl>,
}

fn default_confirmations() -> i32 {
    12
}

impl Example for NewNetwork {
    fn example() -> Self {
        Self {
            chain_id: Uuid::nil(),
            network_id: 137,
            name: "Polygon".to_owned(),
            rpc_urls: vec![WebUrl("https://polygon-rpc.example/v1".to_owned())],
            confirmations: 64,
            explorer_url: Some(WebUrl("https://polygonscan.example".to_owned())),
        }
    }
}

/// What may be changed of a network; what is left out stays as it is.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NetworkChange {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    /// JSON-RPC addresses in order of preference.
    #[oai(validator(min_items = 1, max_items = 16))]
    rpc_urls: Option<Vec<WebUrl>>,
    /// Blocks on top before something is final.
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    confirmations: Option<i32>,
    /// Where people look transactions up; null takes it away.
    explorer_url: MaybeUndefined<WebUrl>,
}

impl Example for NetworkChange {
    fn example() -> Self {
        Self { name: None, rpc_urls: None, confirmations: Some(128), explorer_url: MaybeUndefined::Undefined }
    }
}

/// One network of a chain.
#[derive(Object)]
pub(crate) struct Network {
    id: Uuid,
    chain_id: Uuid,
    /// The chain's own number, such as 1 or 137.
    network_id: i64,
    name: String,
    /// JSON-RPC addresses in order of preference; empty for callers who may not manage networks, because the addresses
    /// may hold keys.
    rpc_urls: Vec<String>,
    /// Blocks on top before something is final.
    confirmations: i32,
    /// Where people look transactions up.
    explorer_url: Option<String>,
    created_at: Time,
    updated_at: Time,
}

impl Network {
    fn shown_to(caller: &Caller, network: network::Model) -> Self {
        let manager = caller.can(payments::Permission::NodesManage) && at_root(caller);
        let rpc_urls = if manager { serde_json::from_value(network.rpc_urls).unwrap_or_default() } else { Vec::new() };
        Self {
            id: network.id.0,
            chain_id: network.chain_id.0,
            network_id: network.network_id,
            name: network.name,
            rpc_urls,
            confirmations: network.confirmations,
            explorer_url: network.explorer_url,
            created_at: network.created_at.into(),
            updated_at: network.updated_at.into(),
        }
    }
}

/// The network, if it exists and is in use.
pub(crate) async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<network::Model, Problem> {
    let live = network::Column::DeletedAt.is_null();
    let network = network::Entity::find_shared(NetworkId(id)).filter(live).one(db).await?;
    network.ok_or_else(|| Problem::not_found("Network"))
}

/// Where its nodes are.
pub(crate) fn addresses(network: &network::Model) -> Vec<String> {
    serde_json::from_value(network.rpc_urls.clone()).unwrap_or_default()
}

pub(crate) struct Networks(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/networks", tag = "Tag::ReferenceData")]
impl Networks {
    /// Create a network
    ///
    /// Its nodes are asked for their chain's number: 400 when one of them is on another; one that does not answer may be away
    /// for a while. 404 when its chain does not exist, 409 when there is a network with this number.
    #[oai(path = "/", method = "post", operation_id = "create_network")]
    async fn create(
        &self,
        caller: Allowed<SharedDataManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewNetwork>,
    ) -> Result<Created<Network>, Refused<404, 409, 422>> {
        if let Some(chain) = self.0.chain() {
            let urls: Vec<String> = body.value.rpc_urls.iter().map(|url| url.0.clone()).collect();
            chain.check_chain(&urls, body.value.network_id).await?;
        }
        let network = once.create(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await).await?;
        Ok(Created::at(format!("/api/v1/networks/{}", network.id), network))
    }

    /// List networks
    ///
    /// The networks that payments may name, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_networks")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Network>>, Refused> {
        let networks =
            network::Entity::find().filter(network::Column::DeletedAt.is_null()).order_by_desc(network::Column::Id);
        let shown = |network| Network::shown_to(&caller, network);
        Ok(Json(paging::read(self.0.db(), networks, page.0, per_page.0, shown).await?))
    }

    /// Get a network
    ///
    /// 404 when it does not exist or was deleted.
    #[oai(path = "/:id", method = "get", operation_id = "get_network")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The network; not the chain's own number.
        id: Path<Uuid>,
    ) -> Result<Json<Network>, Refused<404>> {
        Ok(Json(Network::shown_to(&caller, find(&**self.0.db(), id.0).await?)))
    }

    /// Change a network
    ///
    /// Running workers take new addresses over within seconds. 400 when a node at one of them is on another chain.
    #[oai(path = "/:id", method = "patch", operation_id = "update_network")]
    async fn update(
        &self,
        caller: Allowed<SharedDataManage>,
        /// The network.
        id: Path<Uuid>,
        body: Body<NetworkChange>,
    ) -> Result<Json<Network>, Refused<404>> {
        if let (Some(chain), Some(urls)) = (self.0.chain(), &body.value.rpc_urls) {
            let network = find(&**self.0.db(), id.0).await?;
            let urls: Vec<String> = urls.iter().map(|url| url.0.clone()).collect();
            chain.check_chain(&urls, network.network_id).await?;
        }
        let tx = self.0.db().begin().await?;
        let network = apply(find(&*tx, id.0).await?, body.value).update(&*tx).await?;
        let data = json!({ "name": network.name, "confirmations": network.confirmations });
        audit::record(&tx, &caller, "network.update", ("network", network.id), data).await?;
        tx.commit().await?;
        Ok(Json(Network::shown_to(&caller, network)))
    }

    /// Delete a network
    ///
    /// New payments can no longer name it; those that do stay.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_network")]
    async fn delete(
        &self,
        caller: Allowed<SharedDataManage>,
        /// The network.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let mut network = find(&*tx, id.0).await?.into_active_model();
        network.deleted_at = Set(Some(now()));
        let network = network.update(&*tx).await?;
        audit::record(&tx, &caller, "network.delete", ("network", network.id), json!({})).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

fn apply(network: network::Model, change: NetworkChange) -> network::ActiveModel {
    let mut network = network.into_active_model();
    if let Some(name) = change.name {
        network.name = Set(name);
    }
    if let Some(rpc_urls) = change.rpc_urls {
        network.rpc_urls = Set(json!(WebUrl::texts(rpc_urls)));
    }
    if let Some(confirmations) = change.confirmations {
        network.confirmations = Set(confirmations);
    }
    match change.explorer_url {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => network.explorer_url = Set(None),
        MaybeUndefined::Value(url) => network.explorer_url = Set(Some(url.0)),
    }
    network.updated_at = Set(now());
    network
}

async fn insert(tx: &Transaction, caller: &Caller, new: NewNetwork) -> Result<Network, Problem> {
    let chain = chains::find(&**tx, new.chain_id).await?;
    let network = network::ActiveModel {
        id: Set(NetworkId::new()),
        chain_id: Set(chain.id),
        network_id: Set(new.network_id),
        name: Set(new.name),
        rpc_urls: Set(json!(WebUrl::texts(new.rpc_urls))),
        confirmations: Set(new.confirmations),
        explorer_url: Set(new.explorer_url.map(|url| url.0)),
        created_at: Set(now()),
        updated_at: Set(now()),
        deleted_at: Set(None),
    };
    let taken = |error| Problem::taken(error, "There is a network with this number");
    let network = network.insert(&**tx).await.map_err(taken)?;
    let data = json!({ "network_id": network.network_id, "name": network.name });
    audit::record(tx, caller, "network.create", ("network", network.id), data).await?;
    Ok(Network::shown_to(caller, network))
}
