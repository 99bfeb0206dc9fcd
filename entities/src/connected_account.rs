//! A seller's account at the card processor.

use sea_orm::entity::prelude::*;

use crate::{id::NodeId, status::ConnectedAccountStatus};

/// A seller's account at the card processor, one for each node.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connected_accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: NodeId,
    /// Our reference, and the processor's idempotency key.
    pub reference: Uuid,
    pub status: ConnectedAccountStatus,
    /// The processor's id.
    #[sea_orm(column_type = "Text", nullable)]
    pub account_id: Option<String>,
    /// The seller's details, as long as the processor does not have it; afterwards the business' name alone.
    #[sea_orm(column_type = "JsonBinary")]
    pub details: Json,
    /// The seller's bank account, as long as the processor does not have it.
    #[sea_orm(column_type = "Text", nullable)]
    pub iban: Option<String>,
    /// When these details were handed in: a later time is another version of them.
    pub told_at: DateTimeUtc,
    pub charges_enabled: bool,
    pub payouts_enabled: bool,
    /// What the processor still wants to know, in its words.
    #[sea_orm(column_type = "JsonBinary")]
    pub requirements_due: Json,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure_message: Option<String>,
    /// When it was first asked for.
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
