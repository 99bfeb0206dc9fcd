//! Wrong sign-ins, by whom they count against.

use sea_orm::entity::prelude::*;

use crate::id::NodeId;

/// Wrong sign-ins that count against an address, a site, an account, or an account from one address.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_in_counts")]
pub struct Model {
    /// Kind and name, such as `address:203.0.113.7`; accounts by a hash.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub subject: String,
    /// Failures since the last block began.
    pub failures: i32,
    /// Blocks until now, which decide how long the next one is.
    pub blocks: i32,
    pub blocked_until: Option<DateTimeUtc>,
    /// When the account last signed in from the address; only of a pair of both.
    pub signed_in_at: Option<DateTimeUtc>,
    /// The account as operators know it, such as `user:…`; none where nobody has the name.
    #[sea_orm(column_type = "Text", nullable)]
    pub account: Option<String>,
    /// That account's node.
    pub node_id: Option<NodeId>,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
