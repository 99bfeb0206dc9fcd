//! What a till sells.

use sea_orm::entity::prelude::*;

use crate::id::{NodeId, TicketId};

/// What a till sells.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tickets")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TicketId,
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    /// When the row was written.
    pub created_at: DateTimeUtc,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
