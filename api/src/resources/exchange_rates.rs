//! What currencies are worth in others, as operators say.

use entities::{currency, exchange_rate};
use payments::{money::check_rate, rates};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use queue::Transaction;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::Tag;
use crate::{
    access::{Allowed, PaymentsRead, SharedDataManage},
    audit,
    body::Body,
    money::{ExactInput, Money, MoneyInput},
    problem::{Problem, Refused, Wrong},
    state::State,
    time::Time,
};

/// Rates that are listed at most.
const RATES_MAX: u64 = 1_000;

/// Who sets rates, where nobody says.
const OPERATOR: &str = "operator";

/// A rate to be set.
#[derive(Object)]
#[oai(rename = "NewExchangeRate", example)]
struct NewRate {
    /// What one unit of the first currency is worth in the second, up to 10^15 with up to 12 fraction digits.
    rate: MoneyInput,
    /// Where it is from, such as an exchange's name; `operator` when it is left out.
    #[oai(validator(min_length = 1, max_length = 64))]
    source: Option<String>,
}

impl Example for NewRate {
    fn example() -> Self {
        Self { rate: ExactInput(Decimal::new(9_123_456, 2)), source: Some("exchange.example".to_owned()) }
    }
}

/// What a currency is worth in another.
#[derive(Object)]
#[oai(rename = "ExchangeRate")]
struct Rate {
    /// Symbol of the currency that is priced.
    base: String,
    /// Symbol of the currency of the price.
    quote: String,
    /// What one unit of `base` is worth in `quote`.
    rate: Money,
    /// The same as text.
    rate_text: String,
    /// Where it is from. Rates of the source `sandbox` are samples: only invoices of the built-in sandbox node are made by
    /// them, and they never age.
    source: String,
    /// When it was set.
    at: Time,
}

impl From<exchange_rate::Model> for Rate {
    fn from(row: exchange_rate::Model) -> Self {
        let rate = Money::from(row.rate);
        let at = row.at.into();
        Self { base: row.base, quote: row.quote, rate, rate_text: rate.text(), source: row.source, at }
    }
}

pub(crate) struct ExchangeRates(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/exchange-rates", tag = "Tag::ReferenceData")]
impl ExchangeRates {
    /// List exchange rates
    ///
    /// By their symbols; a thousand at most. Old ones too: `till.rate_max_age_s` says for how long one is used.
    #[oai(path = "/", method = "get", operation_id = "list_exchange_rates")]
    async fn list(&self, _caller: Allowed<PaymentsRead>) -> Result<Json<Vec<Rate>>, Refused> {
        let rows = rates::list(&**self.0.db(), RATES_MAX).await?;
        Ok(Json(rows.into_iter().map(Rate::from).collect()))
    }

    /// Set an exchange rate
    ///
    /// From now on, instead of the one before. 404 when there is no currency with one of the symbols.
    #[oai(path = "/:base/:quote", method = "put", operation_id = "set_exchange_rate")]
    async fn set(
        &self,
        caller: Allowed<SharedDataManage>,
        /// Symbol of the currency that is priced, such as `BTC`.
        base: Path<String>,
        /// Symbol of the currency of the price, such as `EUR`.
        quote: Path<String>,
        body: Body<NewRate>,
    ) -> Result<Json<Rate>, Refused<404>> {
        let NewRate { rate, source } = body.value;
        let source = source.unwrap_or_else(|| OPERATOR.to_owned());
        if source == rates::SANDBOX {
            let rule = Wrong::Rule("is kept for the sample rates of the sandbox");
            return Err(Problem::invalid("/source", rule).into());
        }
        let rate = check_rate(rate.0).map_err(|error| Problem::invalid("/rate", error))?;
        let tx = self.0.db().begin().await?;
        require(&tx, &base.0).await?;
        require(&tx, &quote.0).await?;
        let row = rates::set(&*tx, &base.0, &quote.0, rate, &source).await?;
        let data = json!({ "rate": row.rate, "source": row.source });
        let pair = format!("{}/{}", row.base, row.quote);
        audit::record(&tx, &caller, "exchange_rate.set", ("exchange_rate", pair), data).await?;
        tx.commit().await?;
        Ok(Json(row.into()))
    }
}

/// Refuses a symbol that no currency has.
async fn require(tx: &Transaction, symbol: &str) -> Result<(), Problem> {
    let unknown = || Problem::not_found("Currency");
    if symbol.contains('\0') {
        return Err(unknown());
    }
    let named = currency::Entity::find()
        .filter(currency::Column::Symbol.eq(symbol))
        .filter(currency::Column::NetworkId.is_null())
        .filter(currency::Column::DeletedAt.is_null());
    if named.count(&**tx).await? > 0 { Ok(()) } else { Err(unknown()) }
}
