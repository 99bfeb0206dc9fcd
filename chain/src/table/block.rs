//! Recently scanned blocks, so that a fork can be found. Old ones are deleted.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Hash;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_blocks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) network_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number: i64,
    pub(crate) hash: Hash,
    pub(crate) time: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
