//! A payment at a gateway.

use sea_orm::entity::prelude::*;

use crate::{
    amount::Amount,
    id::{GatewaySessionId, PaymentId},
    status::{GatewaySessionKind, GatewaySessionStatus},
};

/// A payment as it was opened, or is to be opened, at a gateway.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_sessions")]
pub struct Model {
    /// Also the gateway's idempotency key, and our reference there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GatewaySessionId,
    pub payment_id: PaymentId,
    /// The three-letter code of the gateway.
    #[sea_orm(column_type = "Text")]
    pub source: String,
    pub kind: GatewaySessionKind,
    pub status: GatewaySessionStatus,
    #[sea_orm(column_type = "Text", nullable)]
    pub gateway_id: Option<String>,
    /// The id under which the gateway's later events name it, where that is another one.
    #[sea_orm(column_type = "Text", nullable)]
    pub charge_id: Option<String>,
    /// Where the payer agrees.
    #[sea_orm(column_type = "Text", nullable)]
    pub approve_url: Option<String>,
    /// For the processor's widget in a storefront.
    #[sea_orm(column_type = "Text", nullable)]
    pub client_secret: Option<String>,
    /// The seller's account at the processor.
    #[sea_orm(column_type = "Text", nullable)]
    pub account: Option<String>,
    /// What the platform keeps.
    pub fee: Option<Amount>,
    pub captured: Amount,
    /// What the gateway has reported of refunds.
    pub refunded: Amount,
    /// What the payer's bank took back by itself.
    pub reversed: Amount,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    /// Polls since the gateway has it.
    pub looks: i32,
    /// The message that comes back until it is concluded; others poll once.
    pub follower: Option<Uuid>,
    /// One process at a time speaks with the gateway about it.
    pub leased_until: Option<DateTimeUtc>,
    pub approved_at: Option<DateTimeUtc>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
