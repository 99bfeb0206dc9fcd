//! Which process works a network.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_leases")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) network_id: Uuid,
    /// Drawn anew by each agent that starts; nobody after a graceful stop.
    pub(crate) owner: Option<Uuid>,
    pub(crate) lease_until: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
