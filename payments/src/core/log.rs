//! The one log of a payment's life: numbered transitions and unnumbered traces.

use entities::{PaymentId, PaymentLogId, now, payment, payment_log};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait};
use serde_json::{Value, json};

use crate::caller::{Actor, RequestedBy};

/// Rows of one insert: well under PostgreSQL's 65,535 parameters, and statements of some ten kilobytes.
const ROWS_PER_INSERT: usize = 200;

/// A row to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLog {
    /// The payment that the row is about.
    pub payment_id: PaymentId,
    /// The transition's number; none for traces.
    pub sequence: Option<i32>,
    /// The type, such as `payment.open` or `attempt.signed`.
    pub event_type: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Who has done what the row says.
    pub actor: Actor,
    /// The details, for programs.
    pub data: Value,
}

impl NewLog {
    /// The first row of every payment's log.
    pub(crate) fn created(payment: &payment::Model, requested_by: &RequestedBy) -> Self {
        Self {
            payment_id: payment.id,
            sequence: Some(payment.sequence),
            event_type: "payment.created",
            message: "The payment was accepted".to_owned(),
            actor: requested_by.actor.clone(),
            data: json!({ "to": payment.status, "external_id": payment.external_id, "request_id": requested_by.request_id }),
        }
    }
}

/// Writes the rows in order, many a statement, and returns which of them are transitions.
///
/// # Errors
/// When an insert fails.
pub async fn append<C: ConnectionTrait>(
    connection: &C,
    logs: Vec<NewLog>,
) -> Result<Vec<(PaymentId, PaymentLogId)>, DbErr> {
    let created_at = now();
    // Version 7 ids of one process rise, so that rows of one moment keep their order.
    let logs: Vec<(PaymentLogId, NewLog)> = logs.into_iter().map(|log| (PaymentLogId::new(), log)).collect();
    let numbered = logs.iter().filter(|(_, log)| log.sequence.is_some());
    let transitions = numbered.map(|(id, log)| (log.payment_id, *id)).collect();
    let rows: Vec<_> = logs
        .into_iter()
        .map(|(id, log)| payment_log::ActiveModel {
            id: Set(id),
            payment_id: Set(log.payment_id),
            sequence: Set(log.sequence),
            event_type: Set(log.event_type.to_owned()),
            message: Set(log.message),
            actor_type: Set(log.actor.kind),
            actor_id: Set(log.actor.id),
            data: Set(log.data),
            created_at: Set(created_at),
            announced_at: Set(None),
        })
        .collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        payment_log::Entity::insert_many(chunk.to_vec()).exec_without_returning(connection).await?;
    }
    Ok(transitions)
}
