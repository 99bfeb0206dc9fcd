//! The diamonds' events about our deals.
#![allow(clippy::enum_variant_names, reason = "the derive uses the stored words, which are the contract's")]

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{Amount, Hash, Place};

/// An event of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Event {
    /// It exists.
    #[sea_orm(string_value = "created")]
    Created,
    /// Its payer has paid.
    #[sea_orm(string_value = "deposited")]
    Deposited,
    /// Its payee has the deposit.
    #[sea_orm(string_value = "released")]
    Released,
    /// It is closed.
    #[sea_orm(string_value = "canceled")]
    Canceled,
}

impl Event {
    /// As the contract calls it.
    pub(crate) fn contract_name(self) -> &'static str {
        match self {
            Self::Created => "DealCreated",
            Self::Deposited => "DealDeposited",
            Self::Released => "DealReleased",
            Self::Canceled => "DealCanceled",
        }
    }
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_logs")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) network_id: Uuid,
    pub(crate) diamond: Place,
    pub(crate) block_number: i64,
    pub(crate) block_hash: Hash,
    pub(crate) block_time: DateTime<Utc>,
    pub(crate) transaction_hash: Hash,
    pub(crate) log_index: i32,
    pub(crate) event: Event,
    pub(crate) subject_id: Uuid,
    pub(crate) deal_id: Amount,
    /// The payer, of a deposit.
    pub(crate) account: Option<Place>,
    /// What was asked for, deposited, released or returned.
    pub(crate) amount: Amount,
    /// A returned deposit was refused and is held by the diamond.
    pub(crate) held: bool,
    /// How the deal differs from what was asked for; `None` where it does not.
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) mismatch: Option<String>,
    #[sea_orm(column_name = "final")]
    pub(crate) is_final: bool,
    pub(crate) created_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
