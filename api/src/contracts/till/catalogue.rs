//! What a till's payments may name: methods and currencies.

use entities::{CurrencyId, PaymentMethodId, currency, payment_method};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use uuid::Uuid;

use super::{Declined, Listed, Tag};
use crate::{
    access::{Allowed, PaymentsRead},
    problem::Problem,
    state::State,
};

/// Currencies that are listed at most: all of ISO 4217, and several times as many tokens.
const CURRENCIES_MAX: u64 = 1000;

/// How a payer pays.
#[derive(Object)]
#[oai(rename = "TillMethod")]
struct Method {
    id: Uuid,
    /// Such as `Cash`.
    name: String,
}

/// A currency or token.
#[derive(Object)]
#[oai(rename = "TillCurrency")]
struct Currency {
    id: Uuid,
    /// Its code in ISO 4217, such as `EUR`, or a token's short name.
    acronym: String,
    /// Its name.
    name: String,
    /// Its sign, such as `€`; the acronym where it has none.
    symbol: String,
    /// Fraction digits of its smallest unit.
    decimals: i32,
}

impl From<currency::Model> for Currency {
    fn from(currency: currency::Model) -> Self {
        let symbol = sign(&currency);
        let currency::Model { id, symbol: acronym, name, decimals, .. } = currency;
        Self { id: id.0, acronym, name, symbol, decimals }
    }
}

/// The currency's sign, such as `€`; its acronym where it has none.
pub(super) fn sign(currency: &currency::Model) -> String {
    let iso = iso_currency::Currency::from_code(&currency.symbol).filter(|_| currency.network_id.is_none());
    // The list has the general sign where a currency has none of its own.
    let sign = iso.map(|iso| iso.symbol().symbol).filter(|sign| sign != "¤");
    match (sign, currency.symbol.as_str()) {
        (Some(sign), _) => sign,
        (None, "BTC") => "₿".to_owned(),
        (None, acronym) => acronym.to_owned(),
    }
}

pub(crate) struct Catalogue(pub(crate) State);

#[OpenApi(prefix_path = "/payments", tag = "Tag::Till")]
impl Catalogue {
    /// List payment methods
    ///
    /// How a payer may pay.
    #[oai(path = "/methods", method = "get", operation_id = "list_till_methods")]
    async fn methods(&self, _caller: Allowed<PaymentsRead>) -> Result<Listed<Method>, Declined> {
        let methods = payment_method::Entity::find().order_by_asc(payment_method::Column::Number);
        let methods = methods.all(&**self.0.db()).await?;
        Ok(Listed::of(methods.into_iter().map(|row| Method { id: row.id.0, name: row.name }).collect()))
    }

    /// Get a payment method
    ///
    /// 404 when it does not exist.
    #[oai(path = "/methods/:id", method = "get", operation_id = "get_till_method")]
    async fn method(
        &self,
        _caller: Allowed<PaymentsRead>,
        /// The method.
        id: Path<String>,
    ) -> Result<Json<Method>, Declined<404>> {
        let unknown = || Problem::not_found("Payment method");
        let id: PaymentMethodId = id.0.parse().map_err(|_| unknown())?;
        let found = payment_method::Entity::find().filter(payment_method::Column::Id.eq(id)).one(&**self.0.db());
        let row = found.await?.ok_or_else(unknown)?;
        Ok(Json(Method { id: row.id.0, name: row.name }))
    }

    /// List currencies at a till
    ///
    /// Those of ISO 4217, bitcoin, and the tokens of this installation, by their acronyms; a thousand at most.
    #[oai(path = "/currencies", method = "get", operation_id = "list_till_currencies")]
    async fn currencies(&self, _caller: Allowed<PaymentsRead>) -> Result<Listed<Currency>, Declined> {
        let currencies = currency::Entity::find()
            .filter(currency::Column::DeletedAt.is_null())
            .order_by_asc(currency::Column::Symbol)
            .order_by_asc(currency::Column::Id)
            .limit(CURRENCIES_MAX)
            .all(&**self.0.db())
            .await?;
        Ok(Listed::of(currencies.into_iter().map(Currency::from).collect()))
    }

    /// Get a currency at a till
    ///
    /// 404 when it does not exist or was deleted.
    #[oai(path = "/currencies/:id", method = "get", operation_id = "get_till_currency")]
    async fn currency(
        &self,
        _caller: Allowed<PaymentsRead>,
        /// The currency.
        id: Path<String>,
    ) -> Result<Json<Currency>, Declined<404>> {
        let unknown = || Problem::not_found("Currency");
        let id: CurrencyId = id.0.parse().map_err(|_| unknown())?;
        let found = currency::Entity::find()
            .filter(currency::Column::Id.eq(id))
            .filter(currency::Column::DeletedAt.is_null())
            .one(&**self.0.db());
        Ok(Json(found.await?.ok_or_else(unknown)?.into()))
    }
}
