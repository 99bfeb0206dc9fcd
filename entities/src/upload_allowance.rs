//! What files take that were sent.

use sea_orm::entity::prelude::*;

/// What files take that were sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "upload_allowances")]
pub struct Model {
    /// Whose; empty for what no receipt names, of all addresses.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub address: String,
    /// What its files are counted as, bytes.
    pub bytes: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
