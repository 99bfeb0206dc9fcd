//! Where a shop's customers transfer to.

use sea_orm::entity::prelude::*;

use crate::id::{BankAccountId, NodeId};

/// Where a shop's customers transfer to.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bank_accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BankAccountId,
    pub node_id: NodeId,
    /// Which way to pay it is for; the shop's own word.
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub bank_name: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub account_number: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub phone: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub holder_name: Option<String>,
    /// The holder's identity or tax number.
    #[sea_orm(column_type = "Text", nullable)]
    pub holder_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub email: Option<String>,
    pub active: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
