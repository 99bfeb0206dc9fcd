//! A signer of a node.

use sea_orm::entity::prelude::*;

use crate::id::{ChainId, NodeId, WalletId};

/// A signer of a node.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WalletId,
    pub node_id: NodeId,
    pub chain_id: ChainId,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub address: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// When it was taken out of use; the row stays for what refers to it.
    pub deleted_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
