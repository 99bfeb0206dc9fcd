//! Payouts of sellers' balances. The balance's row is the guard: an `UPDATE` that has the amount in its condition.

use chrono::NaiveDate;
use entities::{NodeId, PayoutId, PayoutStatus, currency, now, payout};
use queue::{NewMessage, Transaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, prelude::*,
};

use crate::{
    jobs::SendPayout,
    ledger::{Entry, Guard, Kind, LedgerError, Posting, balance, post, postings},
    request_error::{Conflict, RequestError},
    sellers::account_of,
};

/// What the processor has made of a payout so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum PayoutOutcome {
    /// Accepted, or on its way.
    Pending { processor_id: String, arrival_date: Option<NaiveDate> },
    /// At the bank.
    Paid { processor_id: String, arrival_date: Option<NaiveDate> },
    /// It came back, or never went.
    Failed { code: String, message: String },
}

/// Writes a payout down: takes it off the seller's balance, and has it requested of the processor. The amount is in the
/// currency's smallest unit.
///
/// # Errors
/// [`RequestError::Conflict`] when there is no account that can be paid out, or the balance does not cover it.
pub async fn request(
    tx: &mut Transaction,
    node_id: NodeId,
    symbol: &str,
    amount: i64,
) -> Result<payout::Model, RequestError> {
    let account = account_of(&**tx, node_id).await?;
    let no_account = || RequestError::from(Conflict::NoAccount);
    let account = account.ok_or_else(no_account)?;
    let account_id = account.account_id.ok_or_else(no_account)?;
    if !account.payouts_enabled {
        return Err(Conflict::PayoutsDisabled.into());
    }
    let currency = currency_of(&**tx, symbol).await?;
    let now = now();
    let payout = payout::Model {
        id: PayoutId::new(),
        node_id,
        account_id,
        currency: symbol.to_owned(),
        decimals: currency.map_or(2, |currency| currency.decimals),
        amount,
        status: PayoutStatus::Asked,
        processor_id: None,
        arrival_date: None,
        failure_code: None,
        failure_message: None,
        looks: 0,
        created_at: now,
        updated_at: now,
    };
    payout::Entity::insert(payout.clone().into_active_model()).exec_without_returning(&**tx).await?;
    match entered(tx, Kind::PayoutAsked, &payout, &postings::payout_requested(amount), Guard::Covered).await {
        Ok(()) => {}
        Err(LedgerError::Database(error)) => return Err(error.into()),
        Err(LedgerError::NotCovered) => {
            let available = balance(&**tx, node_id, symbol).await?.map_or(0, |balance| balance.available);
            return Err(Conflict::Balance(available).into());
        }
    }
    let message = NewMessage::of(&SendPayout::new(payout.id, node_id));
    tx.enqueue(vec![message]).await?;
    Ok(payout)
}

/// Locks the payout and marks it as sent; as it was before. None when there is no such payout, or it has an end.
///
/// # Errors
/// When the database refuses.
pub async fn hand_over(tx: &Transaction, id: PayoutId) -> Result<Option<payout::Model>, DbErr> {
    let Some(payout) = find_locked(tx, id).await? else { return Ok(None) };
    match payout.status {
        PayoutStatus::Asked | PayoutStatus::Sent => {
            // Also when it is tried again, so that the safety net sees that somebody is at it.
            let mut row = payout.clone().into_active_model();
            (row.status, row.updated_at) = (Set(PayoutStatus::Sent), Set(now()));
            row.update(&**tx).await?;
            Ok(Some(payout))
        }
        PayoutStatus::Paid | PayoutStatus::Failed => Ok(None),
    }
}

/// Writes the outcome of a payout that was sent; the payout, if it came to its end with this.
///
/// # Errors
/// When the database refuses.
pub async fn settle(
    tx: &mut Transaction,
    id: PayoutId,
    outcome: PayoutOutcome,
) -> Result<Option<payout::Model>, DbErr> {
    let Some(payout) = find_locked(tx, id).await?.filter(|payout| payout.status == PayoutStatus::Sent) else {
        return Ok(None);
    };
    let mut row = payout.clone().into_active_model();
    row.updated_at = Set(now());
    row.looks = Set(payout.looks.saturating_add(1));
    match outcome {
        PayoutOutcome::Pending { processor_id, arrival_date } => {
            (row.processor_id, row.arrival_date) = (Set(Some(processor_id)), Set(arrival_date));
            row.update(&**tx).await?;
            return Ok(None);
        }
        PayoutOutcome::Paid { processor_id, arrival_date } => {
            (row.processor_id, row.arrival_date) = (Set(Some(processor_id)), Set(arrival_date));
            row.status = Set(PayoutStatus::Paid);
        }
        PayoutOutcome::Failed { code, message } => {
            (row.failure_code, row.failure_message) = (Set(Some(code)), Set(Some(message)));
            row.status = Set(PayoutStatus::Failed);
        }
    }
    let payout = row.update(&**tx).await?;
    let (kind, postings) = if payout.status == PayoutStatus::Paid {
        (Kind::PayoutPaid, postings::payout_paid(payout.amount))
    } else {
        (Kind::PayoutFailed, postings::payout_failed(payout.amount))
    };
    match entered(tx, kind, &payout, &postings, Guard::None).await {
        Ok(()) => Ok(Some(payout)),
        Err(LedgerError::Database(error)) => Err(error),
        Err(LedgerError::NotCovered) => Err(DbErr::RecordNotUpdated),
    }
}

async fn entered(
    tx: &Transaction,
    kind: Kind,
    payout: &payout::Model,
    postings: &[Posting],
    guard: Guard,
) -> Result<(), LedgerError> {
    let (subject, node_id, currency) = (payout.id.to_string(), payout.node_id, payout.currency.as_str());
    if post(tx, Entry { kind, subject, node_id, currency, postings, guard }).await? {
        Ok(())
    } else {
        Err(DbErr::RecordNotUpdated.into())
    }
}

/// The currency with this symbol that belongs to no network.
async fn currency_of<C: ConnectionTrait>(db: &C, symbol: &str) -> Result<Option<currency::Model>, DbErr> {
    use currency::Column as C;
    let known = currency::Entity::find().filter(C::Symbol.eq(symbol)).filter(C::NetworkId.is_null());
    known.filter(C::DeletedAt.is_null()).order_by_asc(C::Id).one(db).await
}

async fn find_locked(tx: &Transaction, id: PayoutId) -> Result<Option<payout::Model>, DbErr> {
    payout::Entity::find().filter(payout::Column::Id.eq(id)).lock_exclusive().one(&**tx).await
}
