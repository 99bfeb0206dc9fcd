//! A callback of a gateway that was received.

use sea_orm::entity::prelude::*;

/// A callback of a gateway that was received: sent again, it is passed over.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_callbacks")]
pub struct Model {
    /// The three-letter code of the gateway.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub source: String,
    /// The gateway's id of the event.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub event_id: String,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
