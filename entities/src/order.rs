//! What a shop's customer buys.

use sea_orm::entity::prelude::*;

use crate::{
    amount::Amount,
    id::{CurrencyId, NodeId, OrderId, PaymentId, UserId},
};

/// What a shop's customer buys.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// What other systems call it: drawn between 2^40 and 2^53, so that it cannot be counted and fits a double.
    pub number: i64,
    /// What people call it: KRFT- and six characters.
    #[sea_orm(column_type = "Text")]
    pub order_number: String,
    pub node_id: NodeId,
    /// The customer who was signed in, if one was.
    pub user_id: Option<UserId>,
    pub currency_id: CurrencyId,
    /// The bank transfer's payment, which exists from the first receipt on.
    pub payment_id: Option<PaymentId>,
    /// The card's payment, which exists from the first intent on.
    pub card_payment_id: Option<PaymentId>,
    /// The payment whose money came first and settles the debt.
    pub paid_by: Option<PaymentId>,
    /// The contract's words; text, because other systems write their own for how the order is fulfilled.
    #[sea_orm(column_type = "Text")]
    pub status: String,
    pub total: Amount,
    pub total_bs: Option<Amount>,
    pub exchange_rate: Option<Amount>,
    #[sea_orm(column_type = "JsonBinary")]
    pub items: Json,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
