//! What a seller has.

use sea_orm::entity::prelude::*;

use crate::id::NodeId;

/// The sums of a seller's postings, as the row that payouts are guarded by.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "seller_balances")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: NodeId,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub currency: String,
    /// May be paid out; below zero after reversals of what was paid out already.
    pub available: i64,
    /// Money on its way to the bank.
    pub in_transit: i64,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
