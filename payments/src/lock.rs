//! The locks under which payments change, taken in one order by everybody: orders first, then payments, each by their ids.

use std::collections::BTreeSet;

use entities::{PaymentId, PaymentStatus, payment};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*, sea_query::LockType};

use crate::orders::Debts;

/// How a payment is locked by whoever changes it. No id ever changes, so rows that only refer to the payment (log,
/// sessions, letters) may be written meanwhile: PostgreSQL locks what they refer to, and whoever waited for that while
/// holding a payment of its own would hold up both.
pub(crate) const FOR_CHANGE: LockType = LockType::NoKeyUpdate;

/// Locks the payment; none when there is no such payment.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn lock_payment(tx: &Transaction, id: PaymentId) -> Result<Option<payment::Model>, DbErr> {
    Debts::lock(tx, BTreeSet::from([id])).await?;
    payment::Entity::find().filter(payment::Column::Id.eq(id)).lock(FOR_CHANGE).one(&**tx).await
}

/// Locks those of the payments that are in one of these states, in the order of their ids.
///
/// # Errors
/// When the database does not answer.
pub async fn lock_payments(
    tx: &Transaction,
    ids: impl IntoIterator<Item = PaymentId>,
    statuses: &[PaymentStatus],
) -> Result<Vec<payment::Model>, DbErr> {
    let ids: BTreeSet<PaymentId> = ids.into_iter().collect();
    Debts::lock(tx, ids.clone()).await?;
    payment::Entity::find()
        .filter(payment::Column::Id.is_in(ids))
        .filter(payment::Column::Status.is_in(statuses.iter().copied()))
        .order_by_asc(payment::Column::Id)
        .lock(FOR_CHANGE)
        .all(&**tx)
        .await
}
