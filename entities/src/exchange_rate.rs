//! What a currency is worth in another.

use sea_orm::entity::prelude::*;

use crate::amount::Amount;

/// What one unit of a currency is worth in another: the newest word of it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "exchange_rates")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    /// Symbol, such as `BTC`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub base: String,
    /// Symbol, such as `EUR`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub quote: String,
    pub rate: Amount,
    /// Who says so.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    /// When it was said.
    pub at: DateTimeUtc,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
