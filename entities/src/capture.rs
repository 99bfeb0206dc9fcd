//! What was captured for a seller.

use sea_orm::entity::prelude::*;

use crate::id::{GatewaySessionId, NodeId, PaymentId};

/// What was captured for a seller by one session at a gateway, and what of it was given back, in the currency's smallest
/// unit.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "captures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: GatewaySessionId,
    pub payment_id: PaymentId,
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
    pub captured: i64,
    /// What the platform keeps of it.
    pub fee: i64,
    /// What of the fee goes back with refunds.
    pub fee_reserved: i64,
    /// Refunds that are asked for or have succeeded.
    pub refund_reserved: i64,
    /// Refunds that have succeeded.
    pub refunded: i64,
    /// What the payer's bank took back by itself.
    pub reversed: i64,
    /// How often that has changed.
    pub reversals: i32,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
