//! A receipt that a payer reported for an order.

use sea_orm::entity::prelude::*;

use crate::{
    amount::Amount,
    id::{NodeId, OrderId, PaymentId, SubmissionId},
    status::{ReceiptMethod, ReceiptStatus},
};

/// A receipt that a payer reported for an order.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_submissions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubmissionId,
    pub order_id: OrderId,
    /// The node of the order.
    pub node_id: NodeId,
    pub payment_id: PaymentId,
    pub method: ReceiptMethod,
    /// In bolívares, as the payer says.
    pub amount_reported: Amount,
    /// The order's total.
    pub amount_expected: Amount,
    /// The bank's number of the transfer.
    #[sea_orm(column_type = "Text")]
    pub reference: String,
    /// The same as it is compared with other receipts of the node.
    #[sea_orm(column_type = "Text")]
    pub reference_key: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub origin_bank: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub payer_name: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub receipt_url: Option<String>,
    pub status: ReceiptStatus,
    #[sea_orm(column_type = "Text", nullable)]
    pub rejection_reason: Option<String>,
    pub reported_at: DateTimeUtc,
    pub verified_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
