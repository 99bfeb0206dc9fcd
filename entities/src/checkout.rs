//! What the checkout contract knows of a payment.

use sea_orm::entity::prelude::*;

use crate::{id::PaymentId, status::RedirectMode};

/// What the checkout contract knows of a payment beside what every payment has.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checkouts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: PaymentId,
    pub redirect_mode: RedirectMode,
    #[sea_orm(column_type = "Text", nullable)]
    pub locale: Option<String>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub channels: Option<Json>,
    pub terminal_id: Option<Uuid>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub payer: Option<Json>,
    /// The purchase as it was sent: `total` and `items`.
    #[sea_orm(column_type = "JsonBinary")]
    pub purchase: Json,
    /// The shop's own reference, if it gave one; it is then the payment's external id, too.
    #[sea_orm(column_type = "Text", nullable)]
    pub client_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub client_note: Option<String>,
    /// The gateway that was chosen, three letters.
    #[sea_orm(column_type = "Text", nullable)]
    pub source: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub cancel_url: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub success_url: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
