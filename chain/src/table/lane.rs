//! A signer on a network: where its nonces stand and what holds it up.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{Amount, Place};

/// Why a lane is paused whose signer cannot pay for what it has to send.
pub(crate) const NO_FUNDS: &str = "insufficient_funds";

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_lanes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) network_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) signer: Place,
    /// The nonce of the next send; unknown until an agent has asked the chain for it.
    pub(crate) next_nonce: Option<i64>,
    /// As last seen, in wei.
    pub(crate) balance: Option<Amount>,
    /// Why nothing new is sent, a word.
    pub(crate) paused_reason: Option<String>,
    pub(crate) paused_at: Option<DateTime<Utc>>,
    pub(crate) window: i32,
    /// Gas limits of what was signed in the 24 hours before the last transaction, in all.
    pub(crate) gas_of_day: i64,
    /// The most that this may cost, in wei.
    pub(crate) spend_of_day: Amount,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
