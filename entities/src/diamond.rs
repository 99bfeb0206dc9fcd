//! A wallet's diamond on a network.

use sea_orm::entity::prelude::*;

use crate::{
    id::{DiamondId, NetworkId, NodeId, WalletId},
    status::DiamondStatus,
};

/// A wallet's diamond on a network.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "diamonds")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DiamondId,
    pub wallet_id: WalletId,
    pub network_id: NetworkId,
    pub node_id: NodeId,
    pub status: DiamondStatus,
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub transaction_hash: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    /// When the row was written.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
