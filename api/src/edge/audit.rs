//! One row for every administrative act, in the act's own transaction; and for sign-ins that fail.

use entities::{ActorType, AuditId, audit, now};
use payments::{Caller, CallerKind};
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr};
use serde_json::Value;

/// The caller as it is named where only a text is kept, such as `user:0197f7a3-…`.
pub(crate) fn name(caller: &Caller) -> String {
    let actor = caller.actor();
    let kind = match caller.kind {
        CallerKind::Integration(_) => "integration",
        CallerKind::User(_) => "user",
        CallerKind::Operator => "operator",
    };
    actor.id.map_or_else(|| kind.to_owned(), |id| format!("{kind}:{id}"))
}

/// Writes who did what to which object; `data` holds what was set, never a secret.
pub(crate) async fn record(
    tx: &Transaction,
    caller: &Caller,
    action: &str,
    (object_type, object_id): (&str, impl ToString),
    data: Value,
) -> Result<(), DbErr> {
    let actor = caller.actor();
    write(tx, (actor.kind, actor.id.unwrap_or_default()), action, (object_type, object_id.to_string()), data).await
}

/// Writes what somebody at this address did who has not signed in.
pub(crate) async fn record_of_stranger(
    tx: &Transaction,
    address: &str,
    action: &str,
    (object_type, object_id): (&str, &str),
    data: Value,
) -> Result<(), DbErr> {
    let stranger = (ActorType::System, format!("address:{address}"));
    write(tx, stranger, action, (object_type, object_id.to_owned()), data).await
}

async fn write(
    tx: &Transaction,
    (actor_type, actor_id): (ActorType, String),
    action: &str,
    (object_type, object_id): (&str, String),
    data: Value,
) -> Result<(), DbErr> {
    let row = audit::ActiveModel {
        id: Set(AuditId::new()),
        actor_type: Set(actor_type),
        actor_id: Set(actor_id),
        action: Set(action.to_owned()),
        object_type: Set(object_type.to_owned()),
        object_id: Set(object_id),
        data: Set(data),
        created_at: Set(now()),
    };
    row.insert(&**tx).await?;
    Ok(())
}
