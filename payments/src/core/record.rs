//! The one way in which a payment changes: lock, apply, write state, log and next messages in the caller's transaction.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use entities::{PaymentId, PaymentStatus, now, payment};
use queue::Transaction;
use sea_orm::{
    ActiveEnum, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, IntoActiveModel, QueryFilter, Statement, Value,
    prelude::*, sea_query::OnConflict,
};

use crate::{
    caller::{Actor, RequestedBy},
    debt::Debts,
    event,
    lock::{self, Locked, lock_subjects},
    log::{self, NewLog},
    observation::{Observation, Outcome, Subject},
};

/// An observation about one payment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The payment that it is about; one that does not exist is logged and left out.
    pub payment_id: PaymentId,
    /// What is requested or observed of it.
    pub what: Observation,
    /// Who has done so, and in which request.
    pub requested_by: RequestedBy,
}

impl Observed {
    /// An observation that no request has led to.
    #[must_use]
    pub fn new(payment_id: PaymentId, what: Observation, actor: Actor) -> Self {
        Self { payment_id, what, requested_by: actor.into() }
    }
}

/// Payments of one guarded update, 25 parameters each.
const ROWS_PER_UPDATE: usize = 100;

/// Writes new payments and returns which were written: of the others the node has a payment with the external id. Of two
/// at once one waits here for the other's commit, and then finds the id taken.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn insert(
    tx: &Transaction,
    rows: impl IntoIterator<Item = payment::Model>,
) -> Result<HashSet<PaymentId>, DbErr> {
    let taken = OnConflict::columns([payment::Column::NodeId, payment::Column::ExternalId]).do_nothing().to_owned();
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    match payment::Entity::insert_many(rows).on_conflict(taken).exec_with_returning_keys(&**tx).await {
        Ok(ids) => Ok(ids.into_iter().collect()),
        Err(DbErr::RecordNotInserted) => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

/// Applies the observations in order and returns what each did. Orders are locked before their payments, and each in the
/// order of their ids, so that two of these never wait for each other in a circle. Observations about unknown payments
/// change nothing. When a payment settles its order's debt, the order's other payments are closed with it.
///
/// # Errors
/// When a statement fails, or when a payment changed in spite of the lock; nothing may then be committed.
pub async fn record(tx: &mut Transaction, observations: Vec<Observed>) -> Result<Vec<Outcome>, DbErr> {
    // Traces alone change nothing and lock nothing.
    let changes = observations.iter().filter(|observed| !matches!(observed.what, Observation::Trace { .. }));
    let (mut debts, mut subjects) = lock_subjects(tx, changes.map(|observed| observed.payment_id).collect()).await?;
    let mut outcomes = Vec::with_capacity(observations.len());
    let mut traces = Vec::new();
    for Observed { payment_id, what, requested_by } in observations {
        if let Some(subject) = subjects.get_mut(&payment_id) {
            outcomes.push(debts.apply(subject, what, &requested_by));
        } else if let Observation::Trace { event_type, message, data } = what {
            traces.push(NewLog { payment_id, sequence: None, event_type, message, actor: requested_by.actor, data });
            outcomes.push(Outcome::Noted);
        } else {
            tracing::error!(%payment_id, ?what, "observation about a payment that does not exist");
            outcomes.push(Outcome::Unchanged);
        }
    }
    save(tx, debts, subjects, traces).await?;
    Ok(outcomes)
}

impl Locked {
    /// Writes the changes of the payment, and with them its order, its log, its events and the messages that follow; the
    /// payment as it is then. When it settles its order's debt, the order's other payments are closed with it.
    ///
    /// # Errors
    /// When a statement fails, or when the payment changed in spite of the lock; nothing may then be committed.
    pub(crate) async fn save(self, tx: &mut Transaction) -> Result<payment::Model, DbErr> {
        let Self { subject, debts } = self;
        let payment = subject.payment.clone();
        let saved = save(tx, debts, BTreeMap::from([(payment.id, subject)]), Vec::new()).await?;
        Ok(saved.into_iter().find(|saved| saved.id == payment.id).unwrap_or(payment))
    }
}

/// Applies one observation to one payment; what it did, and the payment as it is then.
///
/// # Errors
/// As [`Locked::save`]; [`DbErr::RecordNotFound`] without such a payment.
pub(crate) async fn observe(
    tx: &mut Transaction,
    id: PaymentId,
    what: Observation,
    requested_by: &RequestedBy,
) -> Result<(Outcome, payment::Model), DbErr> {
    let mut locked = Locked::known(tx, id).await?;
    let outcome = locked.observe(what, requested_by);
    Ok((outcome, locked.save(tx).await?))
}

/// Writes what has changed of locked payments, which are returned, and traces of others.
pub(crate) async fn save(
    tx: &mut Transaction,
    mut debts: Debts,
    mut subjects: BTreeMap<PaymentId, Subject>,
    traces: Vec<NewLog>,
) -> Result<Vec<payment::Model>, DbErr> {
    close_others(tx, &mut debts, &mut subjects).await?;
    let now = now();
    let changed: Vec<Subject> = subjects.into_values().filter(|subject| subject.changed).collect();
    for chunk in changed.chunks(ROWS_PER_UPDATE) {
        update(tx, chunk, now).await?;
    }
    fail::fail_point!("record.payments_written");
    if !changed.is_empty() {
        debts.write(tx).await?;
    }
    let (mut logs, mut messages, mut payments) = (traces, Vec::new(), Vec::with_capacity(changed.len()));
    for subject in changed {
        payments.push(payment::Model { updated_at: now, ..subject.payment });
        logs.extend(subject.logs);
        messages.extend(subject.messages);
    }
    let transitions = log::append(&**tx, logs).await?;
    messages.extend(event::announcements(&transitions));
    fail::fail_point!("record.logs_written");
    tx.enqueue(messages).await?;
    Ok(payments)
}

impl Debts {
    /// Applies the observation to the payment as far as the debt allows it, and then the payment's new status to the debt.
    pub(crate) fn apply(&mut self, subject: &mut Subject, what: Observation, requested_by: &RequestedBy) -> Outcome {
        subject.settled_by = self.settled_by(&subject.payment);
        let outcome = subject.apply(what, requested_by);
        self.apply_status(&subject.payment);
        outcome
    }
}

/// Nobody can pay an order on another rail once its debt is settled. Their order's lock is held, so nobody else has them.
async fn close_others(
    tx: &Transaction,
    debts: &mut Debts,
    subjects: &mut BTreeMap<PaymentId, Subject>,
) -> Result<(), DbErr> {
    let settled = debts.newly_settled();
    if settled.is_empty() {
        return Ok(());
    }
    let others = payment::Entity::find()
        .filter(payment::Column::OrderId.is_in(settled.keys().copied()))
        .filter(payment::Column::Id.is_not_in(subjects.keys().copied()))
        .filter(payment::Column::Status.is_in(CLOSABLE));
    subjects.extend(lock::subjects(tx, others).await?);
    let system = RequestedBy::from(Actor::system());
    for subject in subjects.values_mut().filter(|subject| CLOSABLE.contains(&subject.payment.status)) {
        let by = subject.payment.order_id.and_then(|id| settled.get(&id));
        if let Some(by) = by.filter(|by| **by != subject.payment.id) {
            debts.apply(subject, Observation::OrderPaid { by: *by }, &system);
        }
    }
    Ok(())
}

/// The states in which somebody may still pay.
const CLOSABLE: [PaymentStatus; 3] = [PaymentStatus::Pending, PaymentStatus::Open, PaymentStatus::Submitted];

/// One statement for all of them. The guard is the sequence that was read: every transition raises it.
async fn update(tx: &Transaction, subjects: &[Subject], now: DateTime<Utc>) -> Result<(), DbErr> {
    let mut values: Vec<Value> = Vec::with_capacity(subjects.len() * 25);
    let mut rows = Vec::with_capacity(subjects.len());
    for Subject { payment, logs, .. } in subjects {
        let moves = logs.iter().filter(|log| log.sequence.is_some()).count();
        let read_sequence = payment.sequence - i32::try_from(moves).unwrap_or(i32::MAX);
        let first = values.len() + 1;
        values.extend([
            payment.id.into(),
            read_sequence.into(),
            payment.status.to_value().into(),
            payment.sequence.into(),
            payment.resends.into(),
            payment.sending_since.into(),
            payment.release_requested_at.into(),
            payment.deal_id.clone().into(),
            payment.diamond_address.clone().into(),
            payment.transaction_hash.clone().into(),
            payment.cancel_transaction_hash.clone().into(),
            payment.return_held_for.clone().into(),
            payment.return_held_token.clone().into(),
            payment.return_withdrawn_at.into(),
            payment.failure_code.clone().into(),
            payment.failure_message.clone().into(),
            payment.failure_retryable.into(),
            payment.duplicate_of.into(),
            payment.order_id.into(),
            payment.external_id.clone().into(),
            payment.payment_method.to_value().into(),
            payment.currency_id.into(),
            payment.price.into(),
            payment.paid_price.into(),
            now.into(),
        ]);
        let binds: Vec<String> = (first..=values.len()).map(|index| format!("${index}")).collect();
        rows.push(format!("({})", binds.join(", ")));
    }
    let sql = format!(
        "WITH changed (id, read_sequence, status, sequence, resends, sending_since, release_requested_at, deal_id, \
         diamond_address, transaction_hash, cancel_transaction_hash, return_held_for, return_held_token, \
         return_withdrawn_at, failure_code, failure_message, failure_retryable, duplicate_of, order_id, external_id, \
         payment_method, currency_id, price, paid_price, updated_at) AS (VALUES {}) \
         UPDATE payments SET status = changed.status, sequence = changed.sequence, resends = changed.resends, \
         sending_since = changed.sending_since, release_requested_at = changed.release_requested_at, \
         deal_id = changed.deal_id, diamond_address = changed.diamond_address, \
         transaction_hash = changed.transaction_hash, cancel_transaction_hash = changed.cancel_transaction_hash, \
         return_held_for = changed.return_held_for, return_held_token = changed.return_held_token, \
         return_withdrawn_at = changed.return_withdrawn_at, failure_code = changed.failure_code, failure_message = changed.failure_message, \
         failure_retryable = changed.failure_retryable, duplicate_of = changed.duplicate_of, \
         order_id = changed.order_id, external_id = changed.external_id, payment_method = changed.payment_method, \
         currency_id = changed.currency_id, price = changed.price, paid_price = changed.paid_price, updated_at = changed.updated_at \
         FROM changed WHERE payments.id = changed.id AND payments.sequence = changed.read_sequence",
        rows.join(", ")
    );
    let backend: DatabaseBackend = tx.get_database_backend();
    let result = tx.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    if result.rows_affected() != u64::try_from(subjects.len()).unwrap_or(u64::MAX) {
        return Err(DbErr::RecordNotUpdated);
    }
    Ok(())
}
