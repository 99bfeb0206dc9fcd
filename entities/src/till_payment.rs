//! Says that a payment was taken at a till.

use sea_orm::entity::prelude::*;

use crate::id::PaymentId;

/// Says that a payment was taken at a till.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "till_payments")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: PaymentId,
    /// When the row was written.
    pub created_at: DateTimeUtc,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
