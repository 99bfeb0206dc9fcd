//! The diamonds whose logs are read, per network, and how far their ids have counted.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Place;
use crate::edition::Edition;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_diamonds")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) network_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) diamond: Place,
    /// `None` until its loupe was asked.
    pub(crate) edition: Option<Edition>,
    /// The highest deal id that is taken, where we give them.
    pub(crate) last_deal_id: i64,
    pub(crate) created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
