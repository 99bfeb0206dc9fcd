//! What the built-in sandbox remembers.

use sea_orm::entity::prelude::*;

/// What the built-in sandbox, which plays gateways and a card processor, remembers. It moves no money.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sandbox_objects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// `payment`, `refund`, `account` or `payout`.
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// The caller's idempotency key, one object for each.
    pub reference: Uuid,
    #[sea_orm(column_type = "JsonBinary")]
    pub body: Json,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
