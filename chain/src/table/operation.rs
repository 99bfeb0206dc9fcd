//! What was asked for, one row per subject and kind.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::Place;
use crate::kind::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub(crate) enum Status {
    /// Waits for a transaction, and may be withdrawn.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// In a transaction; without `send_id`: the chain shows the effect already and it is not final yet.
    #[sea_orm(string_value = "sending")]
    Sending,
    #[sea_orm(string_value = "confirmed")]
    Confirmed,
    #[sea_orm(string_value = "failed")]
    Failed,
    #[sea_orm(string_value = "withdrawn")]
    Withdrawn,
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_operations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) subject_id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) network_id: Uuid,
    pub(crate) signer: Place,
    pub(crate) diamond: Option<Place>,
    /// Of a deployment: whom the diamond shall belong to, where that was asked for.
    pub(crate) owner: Option<Place>,
    pub(crate) status: Status,
    pub(crate) send_id: Option<Uuid>,
    /// Transactions it has been in. After the first it goes alone, so that its neighbours do not suffer again.
    pub(crate) sends: i32,
    /// Since when it is on its way, over all its transactions.
    pub(crate) sending_since: Option<DateTime<Utc>>,
    /// When it was told that nobody knows what became of it.
    pub(crate) unknown_told_at: Option<DateTime<Utc>>,
    /// Why it is not sent although it could be, a word.
    pub(crate) held_back_by: Option<String>,
    pub(crate) failure_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) failure_message: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ActiveModelBehavior for ActiveModel {}
