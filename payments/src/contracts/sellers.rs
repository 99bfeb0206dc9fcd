//! Sellers: what they have told of themselves, and how their account at the card processor stands.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use entities::{ConnectedAccountStatus, NodeId, PayoutId, Plan, connected_account, now, payout, refund};
use queue::{NewMessage, Payload as _, Transaction, dead_letters::set_aside};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, prelude::*, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    jobs::{SendPayout, SendRefund, SyncAccount},
    sessions,
};

/// What a seller tells, beside the bank account's number, which is kept apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the contract's, `marketplace.md`")]
pub struct Details {
    pub business_name: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: Option<String>,
    pub dob: NaiveDate,
    pub address: String,
    pub city: String,
    pub postal_code: String,
    /// Two letters of ISO 3166-1.
    pub country: String,
    pub nif: String,
    pub tos_accepted_at: Option<DateTime<Utc>>,
}

/// What the contract says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// Nobody has asked for one.
    NotStarted,
    /// The processor has not decided yet.
    Pending,
    /// The processor wants to know more.
    Restricted,
    /// Payments can be taken and paid out.
    Active,
}

impl AccountStatus {
    /// Of this row.
    #[must_use]
    pub fn of(account: Option<&connected_account::Model>) -> Self {
        match account {
            None => Self::NotStarted,
            Some(account) if account.charges_enabled && account.payouts_enabled => Self::Active,
            Some(account) if account.requirements_due.as_array().is_some_and(|due| !due.is_empty()) => Self::Restricted,
            Some(_) => Self::Pending,
        }
    }

    /// The contract's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Pending => "pending",
            Self::Restricted => "restricted",
            Self::Active => "active",
        }
    }
}

/// The platform's part of a sale in the currency's smallest unit, rounded half up.
#[must_use]
pub fn platform_fee(plan: Plan, amount: i64) -> i64 {
    let per_mille = match plan {
        Plan::Starter => 20,
        Plan::Business => 15,
        Plan::Professional => 10,
        Plan::Enterprise => 5,
    };
    part(amount, per_mille, 1_000)
}

/// `amount · of / whole`, rounded half up; none of them is negative.
pub(crate) fn part(amount: i64, of: i64, whole: i64) -> i64 {
    let (amount, of, whole) = (i128::from(amount), i128::from(of), i128::from(whole.max(1)));
    i64::try_from((2 * amount * of + whole) / (2 * whole)).unwrap_or(i64::MAX)
}

/// The node's account.
///
/// # Errors
/// When the database does not answer.
pub async fn account_of<C: ConnectionTrait>(
    db: &C,
    node_id: NodeId,
) -> Result<Option<connected_account::Model>, DbErr> {
    connected_account::Entity::find().filter(connected_account::Column::NodeId.eq(node_id)).one(db).await
}

/// Writes down the details that a seller submits, and has them handed to the processor. A seller has one account: details
/// that are submitted anew change it.
///
/// # Errors
/// When the database refuses.
pub async fn submit_details(
    tx: &mut Transaction,
    node_id: NodeId,
    details: &Details,
    iban: String,
) -> Result<connected_account::Model, DbErr> {
    use connected_account::Column as C;
    let now = now();
    let row = connected_account::Model {
        node_id,
        reference: Uuid::now_v7(),
        status: ConnectedAccountStatus::Asked,
        account_id: None,
        details: json!(details),
        iban: Some(iban),
        told_at: now,
        charges_enabled: false,
        payouts_enabled: false,
        requirements_due: json!([]),
        failure_code: None,
        failure_message: None,
        created_at: now,
        updated_at: now,
    };
    let changed = [C::Status, C::Details, C::Iban, C::ToldAt, C::FailureCode, C::FailureMessage, C::UpdatedAt];
    let known = OnConflict::column(C::NodeId).update_columns(changed).to_owned();
    connected_account::Entity::insert(row.into_active_model()).on_conflict(known).exec_without_returning(&**tx).await?;
    tx.enqueue(vec![NewMessage::of(&SyncAccount { node_id })]).await?;
    account_of(&**tx, node_id)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the account that was just written".to_owned()))
}

/// Locks the account and marks it as handed over, if it is to be; as it was before. None if there is no account.
///
/// # Errors
/// When the database refuses.
pub async fn hand_over(tx: &Transaction, node_id: NodeId) -> Result<Option<connected_account::Model>, DbErr> {
    let Some(account) = lock(tx, node_id).await? else { return Ok(None) };
    if matches!(account.status, ConnectedAccountStatus::Asked | ConnectedAccountStatus::Sent) {
        // Also when it is tried again, so that the safety net sees that somebody is at it.
        let mut row = account.clone().into_active_model();
        (row.status, row.updated_at) = (Set(ConnectedAccountStatus::Sent), Set(now()));
        row.update(&**tx).await?;
    }
    Ok(Some(account))
}

/// An account as the processor reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the contract's, `marketplace.md`")]
pub struct AccountReport {
    pub account_id: String,
    pub charges_enabled: bool,
    pub payouts_enabled: bool,
    pub requirements_due: Vec<String>,
}

/// Writes what the processor reports of the account; `handed` is the version of the details that it was handed, its
/// `told_at`. The row as it is now, if what the seller may do has changed.
///
/// # Errors
/// When the database refuses.
pub async fn record_report(
    tx: &Transaction,
    node_id: NodeId,
    handed: Option<DateTime<Utc>>,
    report: AccountReport,
) -> Result<Option<connected_account::Model>, DbErr> {
    let Some(before) = lock(tx, node_id).await? else { return Ok(None) };
    let mut row = before.clone().into_active_model();
    row.account_id = Set(Some(report.account_id));
    row.charges_enabled = Set(report.charges_enabled);
    row.payouts_enabled = Set(report.payouts_enabled);
    row.requirements_due = Set(json!(report.requirements_due));
    row.updated_at = Set(now());
    if handed == Some(before.told_at) {
        // The processor has it: nothing of the person stays here.
        row.status = Set(ConnectedAccountStatus::Synced);
        row.iban = Set(None);
        row.details = Set(json!({ "business_name": before.details["business_name"] }));
        (row.failure_code, row.failure_message) = (Set(None), Set(None));
    }
    let after = row.update(&**tx).await?;
    let shown = |row: &connected_account::Model| {
        (row.account_id.clone(), row.charges_enabled, row.payouts_enabled, row.requirements_due.clone())
    };
    Ok((shown(&before) != shown(&after)).then_some(after))
}

/// Writes down that the processor has refused this version of the details.
///
/// # Errors
/// When the database refuses.
pub async fn declined(
    tx: &Transaction,
    node_id: NodeId,
    handed: DateTime<Utc>,
    code: String,
    message: String,
) -> Result<(), DbErr> {
    let Some(before) = lock(tx, node_id).await?.filter(|account| account.told_at == handed) else { return Ok(()) };
    let mut row = before.clone().into_active_model();
    row.status = Set(ConnectedAccountStatus::Declined);
    row.iban = Set(None);
    row.details = Set(json!({ "business_name": before.details["business_name"] }));
    (row.failure_code, row.failure_message) = (Set(Some(code)), Set(Some(message)));
    row.updated_at = Set(now());
    row.update(&**tx).await.map(drop)
}

/// What a processor's callback is about.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "ids are ours (`reference`) or the processor's")]
pub enum About {
    /// A payout.
    Payout { reference: Option<Uuid>, gateway_id: Option<String> },
    /// A seller's account.
    Account { account: String },
}

/// Has the payout or the account that a callback is about polled. A callback that was received before, or is about
/// nothing that is known here, changes nothing.
///
/// # Errors
/// When the database refuses.
pub async fn receive_callback(
    tx: &mut Transaction,
    source: &str,
    event_id: Option<String>,
    about: About,
) -> Result<(), DbErr> {
    if let Some(event_id) = event_id
        && !sessions::first_time(tx, source, event_id).await?
    {
        return Ok(());
    }
    let message = match about {
        About::Payout { reference, gateway_id } => {
            let ids = Condition::any()
                .add_option(reference.map(|id| payout::Column::Id.eq(PayoutId(id))))
                .add_option(gateway_id.map(|id| payout::Column::ProcessorId.eq(id)));
            if ids.is_empty() {
                return Ok(());
            }
            let known = payout::Entity::find().filter(ids).one(&**tx).await?;
            known.map(|payout| NewMessage::of(&SendPayout::new(payout.id, payout.node_id)))
        }
        About::Account { account } => {
            let of_processor = connected_account::Column::AccountId.eq(account);
            let known = connected_account::Entity::find().filter(of_processor).one(&**tx).await?;
            known.map(|account| NewMessage::of(&SyncAccount { node_id: account.node_id }))
        }
    };
    tx.enqueue(message.into_iter().collect()).await.map(drop)
}

/// Writes the messages anew of refunds, payouts and accounts that must have lost theirs, because nothing has happened to them
/// for so long; how many those are.
///
/// # Errors
/// When the database refuses.
pub async fn take_up(tx: &mut Transaction, patience: TimeDelta, most: u64) -> Result<usize, DbErr> {
    use {connected_account::Column as A, payout::Column as P, refund::Column as R};
    let stranded = Stranded { before: now() - patience, most };
    let refunds = stranded.rows_of::<refund::Entity>(tx, R::Id, R::UpdatedAt, SendRefund::TYPE).await?;
    let payouts = stranded.rows_of::<payout::Entity>(tx, P::Id, P::UpdatedAt, SendPayout::TYPE).await?;
    let accounts =
        stranded.rows_of::<connected_account::Entity>(tx, A::NodeId, A::UpdatedAt, SyncAccount::TYPE).await?;
    let refunds = refunds.iter().map(|refund| NewMessage::of(&SendRefund::new(refund.id, refund.payment_id)));
    let payouts = payouts.iter().map(|payout| NewMessage::of(&SendPayout::new(payout.id, payout.node_id)));
    let accounts = accounts.iter().map(|account| NewMessage::of(&SyncAccount { node_id: account.node_id }));
    let messages: Vec<NewMessage> = refunds.chain(payouts).chain(accounts).collect();
    let taken = messages.len();
    tx.enqueue(messages).await?;
    Ok(taken)
}

/// Rows that wait for the card processor, and to which nothing has happened since a time; at most so many.
struct Stranded {
    before: DateTime<Utc>,
    most: u64,
}

impl Stranded {
    /// Those of a table, except where an operator has discarded the letter of this kind of message. They are marked as
    /// changed now, so that no other process takes them too.
    async fn rows_of<E: EntityTrait>(
        &self,
        tx: &Transaction,
        key: E::Column,
        updated_at: E::Column,
        kind: &str,
    ) -> Result<Vec<E::Model>, DbErr> {
        let table = E::default().table_name().to_owned();
        let [key_in_full, changed_at] = [key, updated_at].map(|column| format!("{table}.{}", column.as_str()));
        let waiting = E::find()
            .select_only()
            .column(key)
            // Word by word as in the condition of the table's index.
            .filter(Expr::cust("status IN ('asked', 'sent')"))
            .filter(updated_at.lt(self.before))
            .filter(Expr::cust(format!("NOT {}", set_aside(&[kind], &key_in_full, &changed_at))))
            .order_by_asc(updated_at)
            .limit(self.most);
        let taken =
            E::update_many().col_expr(updated_at, Expr::value(now())).filter(key.in_subquery(waiting.into_query()));
        taken.exec_with_returning(&**tx).await
    }
}

async fn lock(tx: &Transaction, node_id: NodeId) -> Result<Option<connected_account::Model>, DbErr> {
    let of_node = connected_account::Column::NodeId.eq(node_id);
    connected_account::Entity::find().filter(of_node).lock_exclusive().one(&**tx).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(charges_enabled: bool, payouts_enabled: bool, due: serde_json::Value) -> connected_account::Model {
        connected_account::Model {
            node_id: NodeId::new(),
            reference: Uuid::now_v7(),
            status: ConnectedAccountStatus::Synced,
            account_id: None,
            details: json!({}),
            iban: None,
            told_at: now(),
            charges_enabled,
            payouts_enabled,
            requirements_due: due,
            failure_code: None,
            failure_message: None,
            created_at: now(),
            updated_at: now(),
        }
    }

    #[test]
    fn an_account_stands_by_what_it_may_do_and_then_by_what_is_due() {
        let (nothing, something) = (json!([]), json!(["iban"]));
        for (charges, payouts, due, status) in [
            (true, true, &something, AccountStatus::Active),
            (true, true, &nothing, AccountStatus::Active),
            (true, false, &something, AccountStatus::Restricted),
            (false, true, &something, AccountStatus::Restricted),
            (false, true, &nothing, AccountStatus::Pending),
            (false, false, &nothing, AccountStatus::Pending),
        ] {
            let account = account(charges, payouts, due.clone());
            assert_eq!(AccountStatus::of(Some(&account)), status, "{charges} {payouts} {due}");
        }
        assert_eq!(AccountStatus::of(None).word(), "not_started");
    }

    proptest! {
        #[test]
        fn a_fee_is_a_part_of_the_sale_to_half_a_cent(amount in 0_i64..1 << 50) {
            for (plan, per_mille) in
                [(Plan::Starter, 20), (Plan::Business, 15), (Plan::Professional, 10), (Plan::Enterprise, 5)]
            {
                let off = platform_fee(plan, amount) * 1_000 - amount * per_mille;
                prop_assert!((-499..=500).contains(&off), "{plan} of {amount}");
            }
        }

        #[test]
        fn parts_of_a_whole_grow_with_it_and_end_with_all(
            amount in 0_i64..1 << 50, whole in 1_i64..1 << 50, of in 0_i64..1 << 50
        ) {
            let of = of.min(whole);
            prop_assert_eq!((part(amount, 0, whole), part(amount, whole, whole)), (0, amount));
            let share = part(amount, of, whole);
            prop_assert!(share <= amount && share <= part(amount, (of + 1).min(whole), whole));
        }
    }

    #[test]
    fn fees_are_rounded_half_up() {
        for (plan, amount, fee) in [
            (Plan::Starter, 10_000, 200),
            (Plan::Business, 10_000, 150),
            (Plan::Professional, 10_000, 100),
            (Plan::Enterprise, 10_000, 50),
            (Plan::Starter, 25, 1),
            (Plan::Starter, 24, 0),
            (Plan::Business, 100, 2),
            (Plan::Business, 99, 1),
            (Plan::Enterprise, 100, 1),
            (Plan::Enterprise, 99, 0),
        ] {
            assert_eq!(platform_fee(plan, amount), fee, "{plan} of {amount}");
        }
        assert_eq!(platform_fee(Plan::Starter, i64::MAX), 184_467_440_737_095_516);
    }
}
