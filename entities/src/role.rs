//! A set of permissions that users share.

use sea_orm::entity::prelude::*;

use crate::id::RoleId;

/// A set of permissions that users share.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "roles")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RoleId,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub is_admin: bool,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
