//! The currency that tills show prices in.

use entities::currency;
use payments::till::base_currency;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use serde_json::json;
use uuid::Uuid;

use super::{Declined, Tag, catalogue::sign};
use crate::{
    access::{Allowed, SharedDataManage},
    audit,
    body::Body,
    problem::{Problem, Wrong},
    state::State,
};

/// The currency to be shown.
#[derive(Object)]
#[oai(rename = "BaseCurrencyRequest", example)]
struct BaseCurrencyRequest {
    /// Its code in ISO 4217, such as `EUR`, or `BTC`.
    #[oai(validator(min_length = 1, max_length = 255))]
    acronym: String,
}

impl Example for BaseCurrencyRequest {
    fn example() -> Self {
        Self { acronym: "EUR".to_owned() }
    }
}

/// The currency that tills show prices in.
#[derive(Object)]
struct BaseCurrency {
    /// One of `/payments/currencies`.
    currency_id: Uuid,
    /// Its code in ISO 4217.
    acronym: String,
    /// Its sign, such as `€`; the acronym where it has none.
    symbol: String,
    /// Its name.
    name: String,
}

impl From<currency::Model> for BaseCurrency {
    fn from(currency: currency::Model) -> Self {
        let symbol = sign(&currency);
        Self { currency_id: currency.id.0, acronym: currency.symbol, symbol, name: currency.name }
    }
}

pub(crate) struct BaseCurrencyRoutes(pub(crate) State);

#[OpenApi(prefix_path = "/base-currency", tag = "Tag::Till")]
impl BaseCurrencyRoutes {
    /// Get the base currency
    ///
    /// What tills show prices in; that of the setting `receipts.currency` until one is chosen.
    #[oai(path = "/", method = "get", operation_id = "get_base_currency")]
    async fn get(&self) -> Result<Json<BaseCurrency>, Declined<404>> {
        let db = &**self.0.db();
        let currency = match base_currency::chosen(db).await? {
            Some(chosen) => Some(chosen),
            None => base_currency::known(db, &self.0.config().receipts.currency).await?,
        };
        Ok(Json(currency.ok_or_else(|| Problem::not_found("Base currency"))?.into()))
    }

    /// Choose the base currency
    ///
    /// All nodes share it. 404 when there is no such currency.
    #[oai(path = "/", method = "put", operation_id = "set_base_currency")]
    async fn set(
        &self,
        caller: Allowed<SharedDataManage>,
        body: Body<BaseCurrencyRequest, true>,
    ) -> Result<Json<BaseCurrency>, Declined<404>> {
        let acronym = body.value.acronym.trim();
        if acronym.is_empty() {
            return Err(Problem::invalid("/acronym", Wrong::Blank).into());
        }
        let tx = self.0.db().begin().await?;
        let currency = base_currency::known(&*tx, acronym).await?.ok_or_else(|| Problem::not_found("Currency"))?;
        base_currency::choose(&tx, currency.id).await?;
        let data = json!({ "acronym": currency.symbol });
        audit::record(&tx, &caller, "base_currency.set", ("currency", currency.id), data).await?;
        tx.commit().await?;
        Ok(Json(currency.into()))
    }
}
