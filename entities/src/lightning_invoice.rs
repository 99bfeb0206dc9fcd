//! An invoice of the Lightning network.

use sea_orm::entity::prelude::*;

use crate::{amount::Amount, id::PaymentId, status::InvoiceStatus};

/// An invoice of the Lightning network, one for each payment that was asked for as one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lightning_invoices")]
pub struct Model {
    /// Also our name for it at the node.
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: PaymentId,
    pub status: InvoiceStatus,
    /// Lower-case hex; known once the node has made it.
    #[sea_orm(column_type = "Text", nullable)]
    pub payment_hash: Option<String>,
    /// The invoice as payers read it.
    #[sea_orm(column_type = "Text", nullable)]
    pub bolt11: Option<String>,
    pub amount_sat: i64,
    /// What the payer's wallet shows.
    #[sea_orm(column_type = "Text")]
    pub description: String,
    /// What a bitcoin was worth in the payment's currency; none for amounts in bitcoin.
    pub rate: Option<Amount>,
    #[sea_orm(column_type = "Text", nullable)]
    pub rate_source: Option<String>,
    pub rate_at: Option<DateTimeUtc>,
    pub received_sat: Option<i64>,
    pub expires_at: DateTimeUtc,
    pub created_at: DateTimeUtc,
    /// When it last changed or was polled.
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
