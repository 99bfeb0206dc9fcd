//! How far a signer is on a network: a view of the agents' tables, for reading.

use sea_orm::entity::prelude::*;

use crate::id::NetworkId;

/// How far a signer is on a network.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signer_lanes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub network_id: NetworkId,
    /// Its address, in lower case.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub signer: String,
    /// As last seen, in wei.
    #[sea_orm(column_type = "Text", nullable)]
    pub balance: Option<String>,
    /// Why nothing new is sent, a word.
    #[sea_orm(column_type = "Text", nullable)]
    pub paused_reason: Option<String>,
    pub paused_at: Option<DateTimeUtc>,
    /// Gas of what it signed in the 24 hours before its last transaction.
    pub gas_of_day: i64,
    /// What that may cost at most, in wei.
    #[sea_orm(column_type = "Text")]
    pub spend_of_day: String,
    /// Operations that wait for a transaction, and those of them that its policy or their contract holds back.
    pub pending: i64,
    pub held_back: i64,
    /// The word of one reason of these, if there are any.
    #[sea_orm(column_type = "Text", nullable)]
    pub held_back_by: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
