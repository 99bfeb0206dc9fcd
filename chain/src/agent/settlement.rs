//! What final events mean for deals and operations. The one place where recorded deals move.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, U256};
use chrono::Utc;
use queue::Transaction;
use sea_orm::{QueryFilter, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use crate::{
    error::Error,
    fact::{Evidence, Fact, HeldReturn},
    operation::Kind,
    table::{
        Amount, Place, ROWS_MAX, deal,
        deal::State,
        log::{self, Event},
        operation, update_from,
    },
};

/// A final event, or what the contract's state tells of one.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) subject_id: Uuid,
    pub(crate) event: Event,
    pub(crate) deal_id: U256,
    pub(crate) account: Option<Address>,
    pub(crate) amount: U256,
    /// Whether the diamond keeps the deposit of a canceled deal, for `account`.
    pub(crate) held: bool,
    pub(crate) mismatch: Option<String>,
    pub(crate) evidence: Evidence,
}

impl From<&log::Model> for Observation {
    fn from(row: &log::Model) -> Self {
        Self {
            subject_id: row.subject_id,
            event: row.event,
            deal_id: row.deal_id.0,
            account: row.account.map(|account| account.0),
            amount: row.amount.0,
            held: row.held,
            mismatch: row.mismatch.clone(),
            evidence: evidence(row),
        }
    }
}

pub(crate) fn evidence(row: &log::Model) -> Evidence {
    Evidence {
        hash: Some(row.transaction_hash.0),
        block_number: u64::try_from(row.block_number).unwrap_or(0),
        block_hash: row.block_hash.0,
        block_time: row.block_time,
    }
}

/// An operation that definitely will not happen.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) subject_id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retryable: bool,
    pub(crate) hash: Option<B256>,
}

/// Moves deals and operations along with final events, in their order, and returns what there is to tell. An event that
/// was recorded before, by whichever way, tells nothing again.
pub(crate) async fn settle(tx: &Transaction, observations: &[Observation]) -> Result<Vec<Fact>, Error> {
    let mut ledger = Ledger { deals: locked(tx, observations).await?, ..Ledger::default() };
    for observation in observations {
        ledger.observe(observation);
    }
    ledger.store(tx).await
}

async fn locked(tx: &Transaction, observations: &[Observation]) -> Result<HashMap<Uuid, deal::Model>, Error> {
    let mut subjects: Vec<Uuid> = observations.iter().map(|observation| observation.subject_id).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let mut deals = HashMap::with_capacity(subjects.len());
    for chunk in subjects.chunks(ROWS_MAX) {
        let rows = deal::Entity::find()
            .filter(deal::Column::SubjectId.is_in(chunk.iter().copied()))
            .lock_exclusive()
            .all(&**tx)
            .await?;
        deals.extend(rows.into_iter().map(|row| (row.subject_id, row)));
    }
    Ok(deals)
}

#[derive(Default)]
struct Ledger {
    deals: HashMap<Uuid, deal::Model>,
    changed: Vec<Uuid>,
    confirmed: Vec<(Kind, Uuid)>,
    failures: Vec<Failure>,
    facts: Vec<Fact>,
}

impl Ledger {
    fn observe(&mut self, seen: &Observation) {
        let Some(deal) = self.deals.get_mut(&seen.subject_id) else { return };
        let (subject_id, evidence, amount) = (seen.subject_id, seen.evidence, seen.amount);
        if let Some(mismatch) = &seen.mismatch {
            if deal.state == State::None {
                self.failures.push(Failure {
                    subject_id,
                    kind: Kind::Open,
                    code: "deal_mismatch".to_owned(),
                    message: format!("the contract has another deal for this reference: {mismatch}"),
                    retryable: false,
                    hash: evidence.hash,
                });
            }
            return;
        }
        let before = deal.state;
        if before == State::None {
            // Whatever happens to a deal, it was opened before.
            deal.deal_id = Some(Amount(seen.deal_id));
            self.facts.push(Fact::DealOpened { subject_id, deal_id: seen.deal_id, evidence });
            self.confirmed.push((Kind::Open, subject_id));
        }
        let payer = seen.account.unwrap_or_default();
        let (after, facts) = match seen.event {
            Event::Created => (State::Open, vec![]),
            Event::Deposited => {
                let seen = Fact::DepositSeen { subject_id, payer, amount, evidence };
                (State::Deposited, vec![seen, Fact::DepositFinal { subject_id, payer, amount, evidence }])
            }
            Event::Released => (State::Released, vec![Fact::Released { subject_id, amount, evidence }]),
            Event::Canceled => {
                let held = seen.held.then_some(HeldReturn { payer, token: deal.token.0 });
                (State::Canceled, vec![Fact::Canceled { subject_id, returned: amount, held, evidence }])
            }
        };
        let settled = matches!(before, State::Released | State::Canceled);
        if settled || after <= before {
            return;
        }
        deal.state = after;
        deal.held_for = seen.held.then_some(Place(payer));
        self.changed.push(subject_id);
        self.facts.extend(facts);
        match after {
            State::Released => self.confirmed.push((Kind::Release, subject_id)),
            State::Canceled => self.confirmed.push((Kind::Cancel, subject_id)),
            State::None | State::Open | State::Deposited => {}
        }
    }

    async fn store(mut self, tx: &Transaction) -> Result<Vec<Fact>, Error> {
        self.changed.sort_unstable();
        self.changed.dedup();
        let rows = self.changed.iter().filter_map(|subject_id| {
            let deal = self.deals.get(subject_id)?;
            let held_for = deal.held_for.map(|place| place.to_string());
            Some(vec![deal.subject_id.into(), deal.state.to_value().into(), deal.deal_id.into(), held_for.into()])
        });
        update_from(
            tx,
            "UPDATE chain_deals SET state = v.column2, deal_id = v.column3, held_for = v.column4",
            "WHERE chain_deals.subject_id = v.column1",
            rows.collect(),
        )
        .await?;
        fail::fail_point!("settlement.deals_written");
        for kind in [Kind::Open, Kind::Release, Kind::Cancel] {
            let subjects: Vec<Uuid> =
                self.confirmed.iter().filter(|(of, _)| *of == kind).map(|(_, subject)| *subject).collect();
            for chunk in subjects.chunks(ROWS_MAX) {
                confirm(tx, kind, chunk).await?;
            }
        }
        let failed = fail(tx, std::mem::take(&mut self.failures)).await?;
        self.facts.extend(failed);
        Ok(self.facts)
    }
}

/// Marks the operations of a kind about these subjects as done.
pub(crate) async fn confirm(tx: &Transaction, kind: Kind, subjects: &[Uuid]) -> Result<(), Error> {
    use operation::Column;

    operation::Entity::update_many()
        .col_expr(Column::Status, Expr::value(operation::Status::Confirmed))
        .col_expr(Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(Column::SubjectId.is_in(subjects.iter().copied()))
        .filter(Column::Kind.eq(kind))
        .exec(&**tx)
        .await?;
    Ok(())
}

/// Marks operations as failed, and with an open that failed whatever waits for its deal.
pub(crate) async fn fail(tx: &Transaction, failures: Vec<Failure>) -> Result<Vec<Fact>, Error> {
    use operation::Column;

    let now = Utc::now();
    let rows = failures.iter().map(|failure| {
        vec![
            failure.subject_id.into(),
            failure.kind.to_value().into(),
            failure.code.clone().into(),
            failure.message.clone().into(),
            now.into(),
        ]
    });
    update_from(
        tx,
        "UPDATE chain_operations SET status = 'failed', failure_code = v.column3, failure_message = v.column4, \
         updated_at = v.column5",
        "WHERE chain_operations.subject_id = v.column1 AND chain_operations.kind = v.column2",
        rows.collect(),
    )
    .await?;
    let unopened: Vec<Uuid> =
        failures.iter().filter(|failure| failure.kind == Kind::Open).map(|failure| failure.subject_id).collect();
    let mut facts: Vec<Fact> = failures.into_iter().map(Failure::into_fact).collect();
    for chunk in unopened.chunks(ROWS_MAX) {
        let waiting = operation::Entity::update_many()
            .col_expr(Column::Status, Expr::value(operation::Status::Failed))
            .col_expr(Column::FailureCode, Expr::value(NO_DEAL))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::SubjectId.is_in(chunk.iter().copied()))
            .filter(Column::Kind.is_in([Kind::Release, Kind::Cancel]))
            .filter(Column::Status.eq(operation::Status::Pending))
            .exec_with_returning(&**tx)
            .await?;
        facts.extend(waiting.iter().map(|operation| no_deal(operation.subject_id, operation.kind).into_fact()));
    }
    Ok(facts)
}

const NO_DEAL: &str = "no_deal";

/// There is nothing to release or to cancel.
pub(crate) fn no_deal(subject_id: Uuid, kind: Kind) -> Failure {
    Failure {
        subject_id,
        kind,
        code: NO_DEAL.to_owned(),
        message: "there is no deal, and none will be opened".to_owned(),
        retryable: false,
        hash: None,
    }
}

impl Failure {
    fn into_fact(self) -> Fact {
        let Self { subject_id, kind, code, message, retryable, hash } = self;
        Fact::Failed { subject_id, kind, code, message, retryable, hash }
    }
}

/// Takes deals back to before events that are no longer on the chain although they were final. Their operations are on
/// their way again: the transactions may yet come back.
pub(crate) async fn unsettle(tx: &Transaction, lost: &[&log::Model]) -> Result<(), Error> {
    let mut states: HashMap<Uuid, State> = HashMap::new();
    for row in lost {
        let before = match row.event {
            Event::Created => State::None,
            Event::Deposited => State::Open,
            Event::Released => State::Deposited,
            Event::Canceled if row.amount.0.is_zero() => State::Open,
            Event::Canceled => State::Deposited,
        };
        states.entry(row.subject_id).and_modify(|state| *state = (*state).min(before)).or_insert(before);
    }
    let rows = states.iter().map(|(subject_id, state)| vec![(*subject_id).into(), state.to_value().into()]);
    update_from(
        tx,
        "UPDATE chain_deals SET state = v.column2, held_for = NULL",
        "WHERE chain_deals.subject_id = v.column1",
        rows.collect(),
    )
    .await?;
    let rows = lost.iter().filter_map(|row| {
        let kind = match row.event {
            Event::Created => Kind::Open,
            Event::Released => Kind::Release,
            Event::Canceled => Kind::Cancel,
            Event::Deposited => return None,
        };
        Some(vec![row.subject_id.into(), kind.to_value().into(), Utc::now().into()])
    });
    update_from(
        tx,
        "UPDATE chain_operations SET status = 'sending', sending_since = v.column3, unknown_told_at = NULL, \
         updated_at = v.column3",
        "WHERE chain_operations.subject_id = v.column1 AND chain_operations.kind = v.column2 \
         AND chain_operations.status = 'confirmed'",
        rows.collect(),
    )
    .await?;
    Ok(())
}
