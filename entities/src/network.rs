//! One network of a chain.

use sea_orm::entity::prelude::*;

use crate::id::{ChainId, NetworkId};

/// One network of a chain.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "networks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NetworkId,
    pub chain_id: ChainId,
    pub network_id: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub rpc_urls: Json,
    pub confirmations: i32,
    #[sea_orm(column_type = "Text", nullable)]
    pub explorer_url: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// When it was taken out of use; the row stays for what refers to it.
    pub deleted_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
