//! What a key may sign. The rows belong to whoever hands keys out; they are only read here.

use sea_orm::entity::prelude::*;

use super::{Amount, Place};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) node_id: Uuid,
    #[sea_orm(unique)]
    pub(crate) address: Place,
    /// A list of kinds of operations.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub(crate) actions: Option<Json>,
    /// A list of addresses.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub(crate) diamonds: Option<Json>,
    pub(crate) fee_cap_wei: Option<i64>,
    pub(crate) gas_per_day: Option<i64>,
    pub(crate) spend_per_day_wei: Option<Amount>,
    pub(crate) paused_at: Option<DateTimeUtc>,
    pub(crate) revision: i64,
}

impl ActiveModelBehavior for ActiveModel {}
