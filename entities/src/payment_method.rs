//! The till's name for how a payer pays.

use sea_orm::entity::prelude::*;

use crate::{id::PaymentMethodId, status::PaymentMethod};

/// The till's name for how a payer pays.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_methods")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentMethodId,
    /// The place in the list, from 1 on.
    pub number: i32,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub method: PaymentMethod,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
