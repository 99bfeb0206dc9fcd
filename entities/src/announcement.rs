//! What the owner of a diamond has announced.

use sea_orm::entity::prelude::*;

use crate::id::NetworkId;

/// What the owner of a diamond has announced, as its contract said lately. Read only: `chain` writes these rows, which have
/// more columns, and knows every diamond in which a deal was opened.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_diamonds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub network_id: NetworkId,
    /// In lower case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub diamond: String,
    /// Who was offered the ownership.
    #[sea_orm(column_type = "Text", nullable)]
    pub pending_owner: Option<String>,
    pub pending_owner_from: Option<DateTimeUtc>,
    /// The hash of the cut that is announced.
    #[sea_orm(column_type = "Text", nullable)]
    pub pending_cut: Option<String>,
    pub pending_cut_from: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
