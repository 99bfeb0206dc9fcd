//! The currency that tills show prices in.

use sea_orm::entity::prelude::*;

use crate::id::CurrencyId;

/// The currency that tills show prices in; there is one row at most.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "base_currency")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub currency_id: CurrencyId,
    /// When it was last chosen.
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
