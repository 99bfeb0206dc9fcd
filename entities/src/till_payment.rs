//! Says that a payment was taken at a till.

use sea_orm::entity::prelude::*;

use crate::id::PaymentId;

/// Says that a payment was taken at a till.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "till_payments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: PaymentId,
    /// What the till calls it, where that is not its external id; empty where it has no name.
    #[sea_orm(column_type = "Text", nullable)]
    pub transaction_id: Option<String>,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
