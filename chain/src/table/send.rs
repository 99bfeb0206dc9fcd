//! One nonce of a signer, and the call it was allocated for. What was signed for it are its attempts.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Place;
use crate::kind::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub(crate) enum Status {
    #[sea_orm(string_value = "unmined")]
    Unmined,
    #[sea_orm(string_value = "mined")]
    Mined,
    #[sea_orm(string_value = "final")]
    Final,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub(crate) enum Outcome {
    #[sea_orm(string_value = "succeeded")]
    Succeeded,
    #[sea_orm(string_value = "reverted")]
    Reverted,
    /// The no-op took the nonce.
    #[sea_orm(string_value = "noop")]
    Noop,
    /// A transaction that is not ours took the nonce.
    #[sea_orm(string_value = "displaced")]
    Displaced,
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_sends")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) network_id: Uuid,
    pub(crate) signer: Place,
    pub(crate) nonce: i64,
    /// `None`: the nonce is only filled, so that those behind it can be mined.
    pub(crate) kind: Option<Kind>,
    pub(crate) diamond: Option<Place>,
    /// How many operations it carries.
    pub(crate) operations: i32,
    pub(crate) gas_limit: i64,
    pub(crate) status: Status,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
