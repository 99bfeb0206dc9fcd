//! The locks under which payments change, taken in one order by everybody: orders first, then payments, each by their ids.

use std::collections::BTreeSet;

use entities::{PaymentId, PaymentStatus, payment};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};

use crate::orders::Debts;

/// Locks the payment; none when there is no such payment.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn lock_payment(tx: &Transaction, id: PaymentId) -> Result<Option<payment::Model>, DbErr> {
    Debts::lock(tx, BTreeSet::from([id])).await?;
    payment::Entity::find().filter(payment::Column::Id.eq(id)).lock_exclusive().one(&**tx).await
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
        .lock_exclusive()
        .all(&**tx)
        .await
}
