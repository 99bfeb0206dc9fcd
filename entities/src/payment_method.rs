//! The till's name for how a payer pays.

use sea_orm::entity::prelude::*;

use crate::{id::PaymentMethodId, status::PaymentMethod};

/// The till's name for how a payer pays.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_methods")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentMethodId,
    /// In this order they are listed.
    pub number: i32,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub method: PaymentMethod,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
