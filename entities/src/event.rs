//! An event that was announced.

use sea_orm::entity::prelude::*;

use crate::id::{EventId, NodeId, PaymentId};

/// An event that was announced; its bytes are the [`webhook_body`](crate::webhook_body) in the standard format.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    /// Rises with the commits, so that who has seen one has seen all before it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub id: EventId,
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text")]
    pub event_type: String,
    /// Whether only operators may read it.
    pub operators: bool,
    pub payment_id: Option<PaymentId>,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
