//! A key of a node, and what it may sign.

use sea_orm::entity::prelude::*;

use crate::id::{NodeId, SignerId};

/// A key of a node, and what it may sign. The key itself lies in the workers' keystore or with a remote signer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SignerId,
    pub node_id: NodeId,
    /// In lower case.
    #[sea_orm(column_type = "Text")]
    pub address: String,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// What it may do, a list of kinds of operations; `None`: everything.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub actions: Option<Json>,
    /// The diamonds that it may act on, a list of addresses in lower case; `None`: all.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub diamonds: Option<Json>,
    /// The highest fee per gas that it offers, in wei.
    pub fee_cap_wei: Option<i64>,
    /// Gas of what it signs in any 24 hours on a network, at most.
    pub gas_per_day: Option<i64>,
    /// What that may cost, in wei, decimal digits.
    #[sea_orm(column_type = "Text", nullable)]
    pub spend_per_day_wei: Option<String>,
    pub paused_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text", nullable)]
    pub pause_reason: Option<String>,
    /// The path of the node whose caller paused it.
    #[sea_orm(column_type = "Text", nullable)]
    pub paused_by: Option<String>,
    /// Counts what was changed of the policy.
    pub revision: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl Model {
    /// A key without limits, under its address in lower case.
    #[must_use]
    pub fn new(node_id: NodeId, address: &str, name: &str) -> Self {
        let now = crate::now();
        Self {
            id: SignerId::new(),
            node_id,
            address: address.to_lowercase(),
            name: name.to_owned(),
            actions: None,
            diamonds: None,
            fee_cap_wei: None,
            gas_per_day: None,
            spend_per_day_wei: None,
            paused_at: None,
            pause_reason: None,
            paused_by: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
