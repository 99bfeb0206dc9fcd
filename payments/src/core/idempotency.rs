//! First answers, kept for a day, so that a repeated request gets the same one (IETF draft `Idempotency-Key`).

use chrono::TimeDelta;
use entities::{Unscoped as _, idempotency_key, now};
use queue::insert_unless_there;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, QueryFilter, prelude::*};

/// How long a first answer is kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// How long a first request may take before a repetition is let through: far beyond the request timeout.
const LOCKED_FOR: TimeDelta = TimeDelta::seconds(60);

/// A caller's key; keys of different callers never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The caller, such as `integration:<id>`.
    pub scope: String,
    /// The header's value.
    pub key: String,
}

/// What a claim finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key is new: the caller goes on, and then calls [`complete`] or [`forget`].
    Fresh,
    /// The request was answered before: the caller answers the same.
    Answered {
        /// HTTP status.
        status: u16,
        /// JSON text.
        body: String,
    },
    /// The first request is still under way.
    InFlight,
    /// The key was used for another request.
    OtherRequest,
}

/// Claims the key for a request with this fingerprint (method, path and body, hashed).
///
/// # Errors
/// When the database does not answer.
pub async fn claim<C: ConnectionTrait>(db: &C, key: &Key, fingerprint: &str) -> Result<Claim, DbErr> {
    // Twice at most: once more after an expired row was taken away.
    for _ in 0..2 {
        if insert(db, key, fingerprint).await? {
            return Ok(Claim::Fresh);
        }
        let Some(row) = idempotency_key::Entity::find_unscoped((key.scope.clone(), key.key.clone())).one(db).await?
        else {
            continue;
        };
        if row.created_at + KEPT_FOR < now() {
            by_key(key).filter(idempotency_key::Column::CreatedAt.eq(row.created_at)).exec(db).await?;
            continue;
        }
        if row.fingerprint != fingerprint {
            return Ok(Claim::OtherRequest);
        }
        return match (row.response_status, row.response_body) {
            (Some(status), Some(body)) => Ok(Claim::Answered { status: u16::try_from(status).unwrap_or(500), body }),
            _ if row.locked_until > now() => Ok(Claim::InFlight),
            _ => take_over(db, key, row.locked_until).await,
        };
    }
    Ok(Claim::InFlight)
}

async fn insert<C: ConnectionTrait>(db: &C, key: &Key, fingerprint: &str) -> Result<bool, DbErr> {
    let now = now();
    let row = idempotency_key::ActiveModel {
        scope: Set(key.scope.clone()),
        key: Set(key.key.clone()),
        fingerprint: Set(fingerprint.to_owned()),
        response_status: Set(None),
        response_body: Set(None),
        locked_until: Set(now + LOCKED_FOR),
        created_at: Set(now),
    };
    let columns = [idempotency_key::Column::Scope, idempotency_key::Column::Key];
    insert_unless_there(db, row, columns).await
}

/// The process that held the key died without an answer. One of the repetitions of the request may go on.
async fn take_over<C: ConnectionTrait>(
    db: &C,
    key: &Key,
    locked_until: chrono::DateTime<chrono::Utc>,
) -> Result<Claim, DbErr> {
    let taken = idempotency_key::Entity::update_many()
        .col_expr(idempotency_key::Column::LockedUntil, Expr::value(now() + LOCKED_FOR))
        .filter(idempotency_key::Column::Scope.eq(&key.scope))
        .filter(idempotency_key::Column::Key.eq(&key.key))
        .filter(idempotency_key::Column::LockedUntil.eq(locked_until))
        .filter(idempotency_key::Column::ResponseStatus.is_null())
        .exec(db)
        .await?;
    Ok(if taken.rows_affected == 1 { Claim::Fresh } else { Claim::InFlight })
}

/// Keeps the first answer. In the transaction of what it answers, so that both are durable or neither.
///
/// # Errors
/// When the database does not answer.
pub async fn complete<C: ConnectionTrait>(db: &C, key: &Key, status: u16, body: &str) -> Result<(), DbErr> {
    idempotency_key::Entity::update_many()
        .col_expr(idempotency_key::Column::ResponseStatus, Expr::value(i32::from(status)))
        .col_expr(idempotency_key::Column::ResponseBody, Expr::value(body))
        .filter(idempotency_key::Column::Scope.eq(&key.scope))
        .filter(idempotency_key::Column::Key.eq(&key.key))
        .exec(db)
        .await?;
    Ok(())
}

/// Frees the key after a request that changed nothing (a validation error, say), so that a mended one may use it.
///
/// # Errors
/// When the database does not answer.
pub async fn forget<C: ConnectionTrait>(db: &C, key: &Key) -> Result<(), DbErr> {
    by_key(key).filter(idempotency_key::Column::ResponseStatus.is_null()).exec(db).await?;
    Ok(())
}

fn by_key(key: &Key) -> sea_orm::DeleteMany<idempotency_key::Entity> {
    idempotency_key::Entity::delete_many()
        .filter(idempotency_key::Column::Scope.eq(&key.scope))
        .filter(idempotency_key::Column::Key.eq(&key.key))
}
