//! What is announced of sellers and their payouts, which have no payment's log: each event under a key that is written
//! in the transaction of the fact, so that it is announced once.

use entities::{EventId, NodeId, PayoutStatus, connected_account, now, payout};
use payments::{event::Event, sellers::AccountStatus};
use queue::Transaction;
use sea_orm::DbErr;
use serde::Serialize;
use webhooks::{AccountUpdated, Outgoing, PayoutChanged, Waiting};

use crate::{Context, notices::first_time};

/// Tells how far a payout is: that it was asked for, or its end.
pub(crate) async fn payout(tx: &mut Transaction, payout: &payout::Model) -> Result<Waiting, DbErr> {
    let (name, status) = match payout.status {
        PayoutStatus::Asked | PayoutStatus::Sent => ("payout.created", "pending"),
        PayoutStatus::Paid => ("payout.paid", "paid"),
        PayoutStatus::Failed => ("payout.failed", "failed"),
    };
    let data = PayoutChanged {
        payout_id: payout.id,
        node_id: payout.node_id,
        amount: payout.amount,
        currency: payout.currency.clone(),
        status,
        arrival_date: payout.arrival_date,
        failure_code: payout.failure_code.clone(),
        failure_message: payout.failure_message.clone(),
    };
    announce(tx, format!("{name}:{}", payout.id), name, payout.node_id, data).await
}

/// Tells that what a seller may do has changed.
pub(crate) async fn account(tx: &mut Transaction, account: &connected_account::Model) -> Result<Waiting, DbErr> {
    let data = AccountUpdated {
        node_id: account.node_id,
        account_id: account.account_id.clone(),
        status: AccountStatus::of(Some(account)).word(),
        charges_enabled: account.charges_enabled,
        payouts_enabled: account.payouts_enabled,
        requirements_due: serde_json::from_value(account.requirements_due.clone()).unwrap_or_default(),
    };
    let key = format!("account.updated:{}:{}", account.node_id, account.updated_at.timestamp_micros());
    announce(tx, key, "account.updated", account.node_id, data).await
}

/// Wakes the lanes for what was announced, after the commit.
pub(crate) async fn wake(context: &Context, waiting: &Waiting) -> Result<(), DbErr> {
    webhooks::wake(&context.db, waiting).await?;
    context.webhooks.wake();
    Ok(())
}

async fn announce<D: Serialize>(
    tx: &mut Transaction,
    key: String,
    name: &'static str,
    node_id: NodeId,
    data: D,
) -> Result<Waiting, DbErr> {
    let occurred_at = now();
    if !first_time(tx, key, occurred_at).await? {
        return Ok(Waiting::default());
    }
    let event = Event { id: EventId::new(), name: name.to_owned(), occurred_at, sequence: None, data };
    let outgoing = Outgoing {
        body: serde_json::to_string(&event).map_err(|error| DbErr::Json(error.to_string()))?,
        id: event.id,
        name: event.name,
        operators: false,
        node_id,
        payment_id: None,
        wallet_id: None,
        network_id: None,
        others: Vec::new(),
        sequence: None,
        occurred_at,
    };
    webhooks::fan_out(tx, &[outgoing]).await
}
