//! Each subject's deal: its terms, and its state on the chain as far as it is final and recorded.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{Amount, Hash, Place};
use crate::abi::Terms;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub(crate) enum State {
    #[sea_orm(string_value = "none")]
    None,
    #[sea_orm(string_value = "open")]
    Open,
    #[sea_orm(string_value = "deposited")]
    Deposited,
    #[sea_orm(string_value = "released")]
    Released,
    #[sea_orm(string_value = "canceled")]
    Canceled,
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_deals")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) subject_id: Uuid,
    pub(crate) network_id: Uuid,
    pub(crate) diamond: Place,
    pub(crate) reference: Hash,
    pub(crate) payee: Place,
    pub(crate) token: Place,
    pub(crate) amount: Amount,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    /// As the chain has told it.
    pub(crate) deal_id: Option<Amount>,
    /// As it was given before its first transaction was signed, where we give ids.
    pub(crate) allocated_id: Option<i64>,
    pub(crate) state: State,
    /// Whom the diamond keeps the returned deposit for, as long as it does.
    pub(crate) held_for: Option<Place>,
    /// Last time the reconciliation compared it with the contract.
    pub(crate) checked_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
}

impl Model {
    /// What the deal is about, as it was asked for.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            r#ref: self.reference.0,
            payee: self.payee.0,
            token: self.token.0,
            amount: self.amount.0,
            expiresAt: u64::try_from(self.expires_at).unwrap_or(u64::MAX),
        }
    }
}

impl ActiveModelBehavior for ActiveModel {}
