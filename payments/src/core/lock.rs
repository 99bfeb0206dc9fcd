//! The locks under which payments change, taken in one order by everybody: orders first, then payments, each by their ids.

use std::collections::{BTreeMap, BTreeSet};

use entities::{Amount, CurrencyId, PaymentId, PaymentMethod, PaymentStatus, now, payment};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*, sea_query::LockType};

use crate::{
    caller::{Caller, RequestedBy},
    debt::Debts,
    observation::{Observation, Outcome, Subject},
    reach::{Denied, find_payment},
};

/// The lock of a transaction that changes a payment. No id ever changes, so rows that only refer to the payment (log,
/// sessions, letters) may be written meanwhile: PostgreSQL locks what they refer to, and a transaction that waited for
/// that while holding a payment of its own would hold up both.
const FOR_CHANGE: LockType = LockType::NoKeyUpdate;

/// A locked payment and the changes to it, which nothing but [`Self::save`] writes: there is no other way to change one.
pub(crate) struct Locked {
    pub(crate) subject: Subject,
    pub(crate) debts: Debts,
}

impl Locked {
    /// Locks the payment; none when there is no such payment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find(tx: &Transaction, id: PaymentId) -> Result<Option<Self>, DbErr> {
        let (debts, subjects) = lock_subjects(tx, BTreeSet::from([id])).await?;
        Ok(subjects.into_values().next().map(|subject| Self { subject, debts }))
    }

    /// Locks a payment that a row refers to, so that it has to be there.
    ///
    /// # Errors
    /// When the database does not answer; [`DbErr::RecordNotFound`] without such a payment.
    pub(crate) async fn known(tx: &Transaction, id: PaymentId) -> Result<Self, DbErr> {
        Self::find(tx, id).await?.ok_or_else(|| DbErr::RecordNotFound(format!("payment {id}")))
    }

    /// Locks the payment, if it exists and the caller reaches its node.
    ///
    /// # Errors
    /// [`Denied`].
    pub(crate) async fn within_reach(tx: &Transaction, caller: &Caller, id: PaymentId) -> Result<Self, Denied> {
        find_payment(&**tx, caller, id).await?;
        Self::find(tx, id).await?.ok_or(Denied::NotFound)
    }

    pub(crate) fn payment(&self) -> &payment::Model {
        &self.subject.payment
    }

    pub(crate) fn set_external_id(&mut self, external_id: String) {
        self.subject.changed = true;
        self.subject.payment.external_id = external_id;
    }

    pub(crate) fn set_method(&mut self, method: PaymentMethod) {
        self.subject.changed = true;
        self.subject.payment.payment_method = method;
    }

    /// Sets the price, and the same as what the payer pays for it.
    pub(crate) fn set_price(&mut self, currency_id: CurrencyId, amount: Amount) {
        self.subject.changed = true;
        self.subject.payment.currency_id = currency_id;
        (self.subject.payment.price, self.subject.payment.paid_price) = (amount, amount);
    }

    /// The other payment that has settled the debt of the order, if one has.
    pub(crate) fn settled_by(&self) -> Option<PaymentId> {
        self.debts.settled_by(self.payment())
    }

    /// Applies the observation, as far as the debt of the payment's order allows it.
    pub(crate) fn observe(&mut self, what: Observation, requested_by: &RequestedBy) -> Outcome {
        self.debts.apply(&mut self.subject, what, requested_by)
    }
}

/// Locks the orders of these payments and then the payments.
pub(crate) async fn lock_subjects(
    tx: &Transaction,
    ids: BTreeSet<PaymentId>,
) -> Result<(Debts, BTreeMap<PaymentId, Subject>), DbErr> {
    if ids.is_empty() {
        return Ok((Debts::default(), BTreeMap::new()));
    }
    let debts = Debts::lock(tx, ids.clone()).await?;
    Ok((debts, subjects(tx, payment::Entity::find().filter(payment::Column::Id.is_in(ids))).await?))
}

/// Locks these payments. The caller has locked their orders.
pub(crate) async fn subjects(
    tx: &Transaction,
    payments: Select<payment::Entity>,
) -> Result<BTreeMap<PaymentId, Subject>, DbErr> {
    let locked = locked(tx, payments).await?;
    let now = now();
    Ok(locked.into_iter().map(|payment| (payment.id, Subject::new(payment, now))).collect())
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
    let of_status = payment::Column::Status.is_in(statuses.iter().copied());
    locked(tx, payment::Entity::find().filter(payment::Column::Id.is_in(ids)).filter(of_status)).await
}

async fn locked(tx: &Transaction, payments: Select<payment::Entity>) -> Result<Vec<payment::Model>, DbErr> {
    payments.order_by_asc(payment::Column::Id).lock(FOR_CHANGE).all(&**tx).await
}
