//! The diamonds whose logs are read, per network, and how far their ids have counted.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{Hash, Place};
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
    /// Who was offered the ownership, and from when it may be accepted.
    pub(crate) pending_owner: Option<Place>,
    pub(crate) pending_owner_from: Option<DateTime<Utc>>,
    /// The hash of the cut that is announced, and from when it may be made.
    pub(crate) pending_cut: Option<Hash>,
    pub(crate) pending_cut_from: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
