//! A payment, whichever contract it came in by.

use sea_orm::entity::prelude::*;

use crate::{
    amount::Amount,
    id::{ChainId, CurrencyId, MemberId, NetworkId, NodeId, OrderId, PaymentId, WalletId},
    status::{PaymentGroup, PaymentMethod, PaymentStatus},
};

/// A payment, whichever contract it came in by.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text")]
    pub external_id: String,
    pub chain_id: ChainId,
    pub network_id: NetworkId,
    pub wallet_id: Option<WalletId>,
    pub member_id: Option<MemberId>,
    /// The order whose debt it is one way to pay.
    pub order_id: Option<OrderId>,
    /// The payment that had settled the debt when this one's money came all the same.
    pub duplicate_of: Option<PaymentId>,
    pub currency_id: CurrencyId,
    pub price: Amount,
    pub paid_price: Amount,
    pub payment_method: PaymentMethod,
    pub payment_group: PaymentGroup,
    #[sea_orm(column_type = "Text")]
    pub payment_address: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub items: Json,
    #[sea_orm(column_type = "Text", nullable)]
    pub metadata: Option<String>,
    pub expires_at: DateTimeUtc,
    pub retry: bool,
    pub retry_count: i32,
    /// Automatic resends already spent of retry_count.
    pub resends: i32,
    #[sea_orm(column_type = "Text", nullable)]
    pub client_ip: Option<String>,
    pub status: PaymentStatus,
    /// Transitions so far; the number of the newest event.
    pub sequence: i32,
    /// Set in the transaction that asks for the deal: from then on a cancel has to go through the chain.
    pub sending_since: Option<DateTimeUtc>,
    /// Set when a release was asked for, so that it is asked for once.
    pub release_requested_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text", nullable)]
    pub deal_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub diamond_address: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub transaction_hash: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub cancel_transaction_hash: Option<String>,
    /// The payer's account, when it refused its returned deposit: the diamond keeps it for them.
    #[sea_orm(column_type = "Text", nullable)]
    pub return_held_for: Option<String>,
    /// The contract of the token that is kept; none for the network's own coin.
    #[sea_orm(column_type = "Text", nullable)]
    pub return_held_token: Option<String>,
    /// When the payer took what was kept.
    pub return_withdrawn_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    pub failure_retryable: Option<bool>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
