//! What is done about dead letters without anybody asking for it: finding out whom they belong to, and noticing that
//! their effect is there. Who knows that stands outside of this crate; here is how it is asked for and written down.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ConnectionTrait, DbErr, ExprTrait as _, QueryOrder, QuerySelect, entity::prelude::*, sea_query::SimpleExpr,
};
use uuid::Uuid;

use super::{Column, DeadLetter, Entity, LetterState, is};
use crate::{database::Database, foresight::Outlook, subject::Subject};

/// The next letters that were not examined since they died, oldest first.
pub async fn unassigned(db: &Database, most: u64) -> Result<Vec<DeadLetter>, DbErr> {
    tended_before(db, Column::TendedAt.lt(ever()), most).await
}

/// The next letters that were examined, and not again since `before`; those that have waited for longest come first.
pub async fn due_for_review(db: &Database, before: DateTime<Utc>, most: u64) -> Result<Vec<DeadLetter>, DbErr> {
    let looked_at = Column::TendedAt.gte(ever()).and(Column::TendedAt.lt(before));
    tended_before(db, looked_at, most).await
}

/// What was examined before that never was: a day after the time that stands for it, however the database writes that.
fn ever() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1)
}

async fn tended_before(db: &Database, when: SimpleExpr, most: u64) -> Result<Vec<DeadLetter>, DbErr> {
    let letters = Entity::find().filter(is(LetterState::Dead)).filter(when);
    let letters = letters.order_by_asc(Column::TendedAt).order_by_asc(Column::Id).limit(most);
    Ok(letters.all(&**db).await?.into_iter().map(DeadLetter::from).collect())
}

/// Writes down whom a letter belongs to, and that it was examined.
pub async fn assign<C: ConnectionTrait>(connection: &C, id: Uuid, subject: Subject) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::SubjectId, Expr::value(subject.id))
        .col_expr(Column::PaymentId, Expr::value(subject.payment_id))
        .col_expr(Column::NodeId, Expr::value(subject.node_id))
        .col_expr(Column::TendedAt, Expr::value(Utc::now()))
        .filter(Column::Id.eq(id))
        .exec(connection)
        .await
        .map(drop)
}

/// Writes down that a letter's job was asked what it would do. One whose effect is there becomes `resolved`, unless
/// somebody has acted on it in the meantime; returns whether it did.
pub async fn record_foresight<C: ConnectionTrait>(
    connection: &C,
    id: Uuid,
    outlook: Outlook,
    reason: &str,
) -> Result<bool, DbErr> {
    let now = Utc::now();
    let looked_at = Entity::update_many().col_expr(Column::TendedAt, Expr::value(now)).filter(Column::Id.eq(id));
    if outlook != Outlook::AlreadyDone {
        return looked_at.exec(connection).await.map(|_| false);
    }
    let resolved = looked_at
        .col_expr(Column::State, Expr::value(LetterState::Resolved.as_str()))
        .col_expr(Column::StateAt, Expr::value(now))
        .col_expr(Column::StateBy, Expr::value(Option::<String>::None))
        .col_expr(Column::StateReason, Expr::value(format!("nothing is left to do: {reason}")))
        .filter(is(LetterState::Dead))
        .exec(connection)
        .await?;
    Ok(resolved.rows_affected > 0)
}
