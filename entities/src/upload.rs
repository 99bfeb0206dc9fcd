//! A file that somebody has sent.

use sea_orm::entity::prelude::*;

/// A file that somebody has sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "uploads")]
pub struct Model {
    /// The name in the store, which cannot be guessed.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub name: String,
    /// The address whose allowance the file counts against.
    #[sea_orm(column_type = "Text")]
    pub address: String,
    /// The bytes that the file counts for.
    pub bytes: i64,
    /// Whether its address's allowance still counts it.
    pub counted: bool,
    pub created_at: DateTimeUtc,
    /// When a receipt named it.
    pub named_at: Option<DateTimeUtc>,
    /// When it was given up.
    pub removed_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
