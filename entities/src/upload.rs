//! A file that somebody has sent.

use sea_orm::entity::prelude::*;

/// A file that somebody has sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "uploads")]
#[expect(missing_docs, reason = "columns without a remark are what their name says")]
pub struct Model {
    /// In the store; it cannot be guessed.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub name: String,
    /// Whose allowance it is counted with.
    #[sea_orm(column_type = "Text")]
    pub address: String,
    /// What it is counted as.
    pub bytes: i64,
    /// Whether its address's allowance still counts it.
    pub counted: bool,
    pub created_at: DateTimeUtc,
    /// When a receipt named it.
    pub named_at: Option<DateTimeUtc>,
    /// When it was given up.
    pub removed_at: Option<DateTimeUtc>,
}

/// Joins are written where they are used.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
