//! Every signed transaction, written before it is sent. Receipts are looked up by all hashes of a nonce.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Hash;
use crate::fact::AttemptKind;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_attempts")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) send_id: Uuid,
    pub(crate) kind: AttemptKind,
    #[sea_orm(unique)]
    pub(crate) hash: Hash,
    /// The bytes that are sent, and sent again, unchanged.
    pub(crate) raw: Vec<u8>,
    pub(crate) max_fee_per_gas: i64,
    pub(crate) max_priority_fee_per_gas: i64,
    pub(crate) signed_at: DateTime<Utc>,
    /// Its last broadcast, with whom it went to and what that one said.
    pub(crate) broadcast_at: Option<DateTime<Utc>>,
    pub(crate) provider: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) answer: Option<String>,
    pub(crate) mined_number: Option<i64>,
    pub(crate) mined_hash: Option<Hash>,
    pub(crate) mined_success: Option<bool>,
}

impl ActiveModelBehavior for ActiveModel {}
