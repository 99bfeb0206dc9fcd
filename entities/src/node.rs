//! A place in the tree of tenants.

use sea_orm::entity::prelude::*;

use crate::{id::NodeId, status::Plan};

/// A place in the tree of tenants.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "nodes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NodeId,
    pub parent_id: Option<NodeId>,
    /// Numbers joined by dots from the root, such as 1.3.6; a node's reach is its own path and all that continue it.
    #[sea_orm(column_type = "Text")]
    pub path: String,
    pub number: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// What it pays the platform of its card sales.
    pub plan: Plan,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// When it was taken out of use; the row stays for what refers to it.
    pub deleted_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
