//! A wallet's diamond on a network.

use sea_orm::entity::prelude::*;

use crate::{
    id::{DiamondId, NetworkId, NodeId, WalletId},
    status::DiamondStatus,
};

/// A wallet's diamond on a network.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "diamonds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DiamondId,
    pub wallet_id: WalletId,
    pub network_id: NetworkId,
    pub node_id: NodeId,
    pub status: DiamondStatus,
    /// Whom it belongs to when it is deployed, as it was asked for.
    #[sea_orm(column_type = "Text", nullable)]
    pub owner: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub transaction_hash: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
