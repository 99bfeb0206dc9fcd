//! Something that has happened to a seller's money.

use sea_orm::entity::prelude::*;

use crate::id::{LedgerEntryId, NodeId};

/// Something that has happened to a seller's money. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LedgerEntryId,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// The id of what it is about; behind it a number where it can happen more than once.
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
