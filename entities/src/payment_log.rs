//! A row of a payment's life: transitions are numbered, traces are not.

use sea_orm::entity::prelude::*;

use crate::{
    id::{PaymentId, PaymentLogId},
    status::ActorType,
};

/// A row of a payment's life: transitions are numbered, traces are not.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_logs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentLogId,
    pub payment_id: PaymentId,
    /// Only transitions have one; it rises by one per payment.
    pub sequence: Option<i32>,
    #[sea_orm(column_type = "Text")]
    pub event_type: String,
    #[sea_orm(column_type = "Text")]
    pub message: String,
    pub actor_type: ActorType,
    #[sea_orm(column_type = "Text", nullable)]
    pub actor_id: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub data: Json,
    pub created_at: DateTimeUtc,
    /// When a transition was announced to subscribers.
    pub announced_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
