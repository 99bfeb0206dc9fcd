//! What a till sells.

use sea_orm::entity::prelude::*;

use crate::{
    amount::Amount,
    id::{NodeId, TicketId},
};

/// What a till sells.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tickets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TicketId,
    pub node_id: NodeId,
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    /// The till's own id of what was ordered.
    #[sea_orm(column_type = "Text", nullable)]
    pub order_id: Option<String>,
    /// The till's own id of the person who served.
    #[sea_orm(column_type = "Text", nullable)]
    pub user_id: Option<String>,
    /// In the till's own words.
    #[sea_orm(column_type = "Text", nullable)]
    pub ticket_date: Option<String>,
    /// 1 pending, 2 paid, 3 canceled.
    pub status: i32,
    pub total_amount: Option<Amount>,
    #[sea_orm(column_type = "Text", nullable)]
    pub notes: Option<String>,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
