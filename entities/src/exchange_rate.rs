//! What a currency is worth in another.

use sea_orm::entity::prelude::*;

use crate::amount::Amount;

/// What one unit of a currency is worth in another: the newest word of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "exchange_rates")]
pub struct Model {
    /// Symbol, such as `BTC`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub base: String,
    /// Symbol, such as `EUR`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub quote: String,
    pub rate: Amount,
    /// Who has set the rate.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// When the rate was set.
    pub at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
