//! Money that goes to a seller's bank.

use sea_orm::entity::prelude::*;

use crate::{
    id::{NodeId, PayoutId},
    status::PayoutStatus,
};

/// Money of a seller's balance that goes to the seller's bank.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payouts")]
pub struct Model {
    /// Also the processor's idempotency key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PayoutId,
    pub node_id: NodeId,
    /// The processor's id of the account.
    #[sea_orm(column_type = "Text")]
    pub account_id: String,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
    /// Fraction digits of the currency.
    pub decimals: i32,
    /// In the currency's smallest unit.
    pub amount: i64,
    pub status: PayoutStatus,
    #[sea_orm(column_type = "Text", nullable)]
    pub processor_id: Option<String>,
    /// When the bank should have it.
    pub arrival_date: Option<Date>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    /// Polls since the processor has it.
    pub looks: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
