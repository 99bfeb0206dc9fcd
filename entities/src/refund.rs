//! Money that goes back to a payer.

use sea_orm::entity::prelude::*;

use crate::{
    id::{GatewaySessionId, PaymentId, RefundId},
    status::RefundStatus,
};

/// Money of a capture that goes back to the payer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refunds")]
pub struct Model {
    /// Also the gateway's idempotency key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RefundId,
    pub payment_id: PaymentId,
    pub session_id: GatewaySessionId,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The platform's part of the amount.
    pub fee: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    pub status: RefundStatus,
    #[sea_orm(column_type = "Text", nullable)]
    pub gateway_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    /// Polls since the gateway has it.
    pub looks: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
