//! One side of a ledger entry.

use sea_orm::entity::prelude::*;

use crate::id::LedgerEntryId;

/// Where money of an entry went, positive, or came from, negative. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_postings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: LedgerEntryId,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub account: String,
    /// In the currency's smallest unit.
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
