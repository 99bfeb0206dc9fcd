//! How far a network's blocks were read.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Hash;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_cursors")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) network_id: Uuid,
    pub(crate) scanned_number: i64,
    pub(crate) scanned_hash: Hash,
    pub(crate) scanned_time: DateTime<Utc>,
    /// The last block that has the network's confirmations, and its timestamp.
    pub(crate) final_number: i64,
    pub(crate) final_time: Option<DateTime<Utc>>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
