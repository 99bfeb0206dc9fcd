//! A callback of a gateway that was heard.

use sea_orm::entity::prelude::*;

/// A callback of a gateway that was heard: told again, it is passed over.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_callbacks")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    /// Three letters.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub source: String,
    /// The gateway's.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub event_id: String,
    pub created_at: DateTimeUtc,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
