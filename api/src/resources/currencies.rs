//! Currencies and tokens.

use entities::{CurrencyId, NetworkId, Shared as _, currency, now};
use payments::{Caller, evm_address};
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

use super::{Tag, networks};
use crate::{
    access::{Allowed, PaymentsRead, SharedDataManage},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Code, Format, Problem, Refused, Wrong},
    response::{Created, NoContent},
    state::State,
    time::Time,
};

/// A currency to be created.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewCurrency {
    /// The network a token lives on; null for a fiat currency.
    network_id: Option<Uuid>,
    /// Its short name, such as `USDT` or `EUR`.
    #[oai(validator(min_length = 1, max_length = 32))]
    symbol: String,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// The token's contract; null for a fiat currency or a network's own coin.
    #[oai(validator(max_length = 255))]
    address: Option<String>,
    /// Fraction digits of its smallest unit.
    #[oai(validator(minimum(value = "0"), maximum(value = "36")))]
    decimals: i32,
}

impl Example for NewCurrency {
    fn example() -> Self {
        Self {
            network_id: Some(Uuid::nil()),
            symbol: "USDT".to_owned(),
            name: "Tether USD".to_owned(),
            address: Some("0xc2132d05d31c914a87c6611c10748aeb04b58e8f".to_owned()),
            decimals: 6,
        }
    }
}

/// What may be changed of a currency. Its token and its decimals may not: payments count in them.
#[derive(Object)]
#[oai(example)]
pub(crate) struct CurrencyChange {
    /// Its short name.
    #[oai(validator(min_length = 1, max_length = 32))]
    symbol: Option<String>,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
}

impl Example for CurrencyChange {
    fn example() -> Self {
        Self { symbol: None, name: Some("Tether".to_owned()) }
    }
}

/// A currency or token.
#[derive(Object)]
pub(crate) struct Currency {
    id: Uuid,
    /// The network a token lives on; null for a fiat currency.
    network_id: Option<Uuid>,
    symbol: String,
    name: String,
    /// The token's contract; null for a fiat currency or a network's own coin.
    address: Option<String>,
    /// Fraction digits of its smallest unit.
    decimals: i32,
    created_at: Time,
    updated_at: Time,
}

impl From<currency::Model> for Currency {
    fn from(currency: currency::Model) -> Self {
        Self {
            id: currency.id.0,
            network_id: currency.network_id.map(|id| id.0),
            symbol: currency.symbol,
            name: currency.name,
            address: currency.address,
            decimals: currency.decimals,
            created_at: currency.created_at.into(),
            updated_at: currency.updated_at.into(),
        }
    }
}

async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<currency::Model, Problem> {
    let live = currency::Column::DeletedAt.is_null();
    let currency = currency::Entity::find_shared(CurrencyId(id)).filter(live).one(db).await?;
    currency.ok_or_else(|| Problem::not_found("Currency"))
}

pub(crate) struct Currencies(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/currencies", tag = "Tag::ReferenceData")]
impl Currencies {
    /// Create a currency
    ///
    /// A token's contract is asked for its decimals, at the network's nodes: 400 when it has others or is not there, 503 when
    /// no node answers. 404 when its network does not exist, 409 when the network has a currency with this contract.
    #[oai(path = "/", method = "post", operation_id = "create_currency")]
    async fn create(
        &self,
        caller: Allowed<SharedDataManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewCurrency>,
    ) -> Result<Created<Currency>, Refused<404, 409, 422>> {
        check(&body.value)?;
        check_on_chain(&self.0, &body.value).await?;
        let currency = once.create(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await).await?;
        Ok(Created::at(format!("/api/v1/currencies/{}", currency.id), currency))
    }

    /// List currencies
    ///
    /// Tokens, native coins and fiat currencies that payments may name, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_currencies")]
    async fn list(
        &self,
        _caller: Allowed<PaymentsRead>,
        /// Only those of this network.
        network_id: Query<Option<Uuid>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Currency>>, Refused> {
        let mut currencies =
            currency::Entity::find().filter(currency::Column::DeletedAt.is_null()).order_by_desc(currency::Column::Id);
        if let Some(id) = network_id.0 {
            currencies = currencies.filter(currency::Column::NetworkId.eq(id));
        }
        Ok(Json(paging::read(self.0.db(), currencies, page.0, per_page.0, Currency::from).await?))
    }

    /// Get a currency
    ///
    /// 404 when it does not exist or was deleted.
    #[oai(path = "/:id", method = "get", operation_id = "get_currency")]
    async fn get(
        &self,
        _caller: Allowed<PaymentsRead>,
        /// The currency.
        id: Path<Uuid>,
    ) -> Result<Json<Currency>, Refused<404>> {
        Ok(Json(find(&**self.0.db(), id.0).await?.into()))
    }

    /// Rename a currency
    ///
    /// Only its symbol and name may change: contract and decimals are what stored amounts mean. 409 when its contract says
    /// that these are wrong: then it is to be deleted, and created anew.
    #[oai(path = "/:id", method = "patch", operation_id = "update_currency")]
    async fn update(
        &self,
        caller: Allowed<SharedDataManage>,
        /// The currency.
        id: Path<Uuid>,
        body: Body<CurrencyChange>,
    ) -> Result<Json<Currency>, Refused<404, 409>> {
        confirm(&self.0, &find(&**self.0.db(), id.0).await?).await?;
        let tx = self.0.db().begin().await?;
        let before = find(&*tx, id.0).await?;
        let (symbol, name) = (before.symbol.clone(), before.name.clone());
        let mut currency = before.into_active_model();
        currency.symbol = Set(body.value.symbol.unwrap_or(symbol));
        currency.name = Set(body.value.name.unwrap_or(name));
        currency.updated_at = Set(now());
        let currency = currency.update(&*tx).await?;
        let data = json!({ "symbol": currency.symbol, "name": currency.name });
        audit::record(&tx, &caller, "currency.update", ("currency", currency.id), data).await?;
        tx.commit().await?;
        Ok(Json(currency.into()))
    }

    /// Delete a currency
    ///
    /// New payments can no longer name it; those that do stay.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_currency")]
    async fn delete(
        &self,
        caller: Allowed<SharedDataManage>,
        /// The currency.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let mut currency = find(&*tx, id.0).await?.into_active_model();
        currency.deleted_at = Set(Some(now()));
        let currency = currency.update(&*tx).await?;
        audit::record(&tx, &caller, "currency.delete", ("currency", currency.id), json!({})).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

fn check(new: &NewCurrency) -> Result<(), Problem> {
    match (&new.address, new.network_id) {
        (Some(address), _) if !evm_address::is_valid(address) => Err(Problem::invalid("/address", Format::EvmAddress)),
        (Some(_), None) => Err(Problem::invalid("/network_id", Wrong::Rule("is required for a token"))),
        _ => Ok(()),
    }
}

/// Every EVM chain counts its own coin in 10^-18.
const COIN_DECIMALS: i32 = 18;

/// What the chain knows better than whoever fills the form in.
async fn check_on_chain(state: &State, new: &NewCurrency) -> Result<(), Problem> {
    let Some(id) = new.network_id else { return Ok(()) };
    let network = networks::find(&**state.db(), id).await?;
    match (&new.address, state.chain()) {
        (None, _) if new.decimals != COIN_DECIMALS => {
            let rule = Wrong::Rule("must be 18: every EVM network counts its own coin in 10^-18");
            Err(Problem::invalid("/decimals", rule))
        }
        (Some(address), Some(chain)) => chain.check_token(&networks::addresses(&network), address, new.decimals).await,
        (Some(_), None) | (None, _) => Ok(()),
    }
}

/// The same of a currency that is there. Nodes that are away are no reason not to rename it.
async fn confirm(state: &State, currency: &currency::Model) -> Result<(), Problem> {
    let (Some(network_id), Some(address), Some(chain)) = (currency.network_id, &currency.address, state.chain()) else {
        return Ok(());
    };
    let Ok(network) = networks::find(&**state.db(), network_id.0).await else { return Ok(()) };
    match chain.check_token(&networks::addresses(&network), address, currency.decimals).await {
        Err(problem) if problem.code() == Code::ValidationFailed => {
            let wrong = problem.errors().iter().map(|mistake| mistake.wrong.to_string()).collect::<Vec<_>>().join(", ");
            Err(Problem::conflict(format!("Delete the currency and create it anew: {wrong}")))
        }
        Err(_) | Ok(()) => Ok(()),
    }
}

async fn insert(tx: &Transaction, caller: &Caller, new: NewCurrency) -> Result<Currency, Problem> {
    if let Some(id) = new.network_id {
        networks::find(&**tx, id).await?;
    }
    if let Some(address) = &new.address {
        let same = currency::Entity::find()
            .filter(currency::Column::NetworkId.eq(new.network_id))
            .filter(currency::Column::Address.is_in([address.clone(), address.to_lowercase()]))
            .filter(currency::Column::DeletedAt.is_null());
        if same.count(&**tx).await? > 0 {
            return Err(Problem::conflict("The network has a currency with this contract"));
        }
    }
    let currency = currency::ActiveModel {
        id: Set(CurrencyId::new()),
        network_id: Set(new.network_id.map(NetworkId)),
        symbol: Set(new.symbol),
        name: Set(new.name),
        address: Set(new.address),
        decimals: Set(new.decimals),
        created_at: Set(now()),
        updated_at: Set(now()),
        deleted_at: Set(None),
    };
    let currency = currency.insert(&**tx).await?;
    let data = json!({ "symbol": currency.symbol, "address": currency.address, "decimals": currency.decimals });
    audit::record(tx, caller, "currency.create", ("currency", currency.id), data).await?;
    Ok(currency.into())
}
