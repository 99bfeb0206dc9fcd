//! The diamonds whose logs are read, per network.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Place;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_diamonds")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) network_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) diamond: Place,
    pub(crate) created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
