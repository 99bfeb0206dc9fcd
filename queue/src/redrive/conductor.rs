//! What carries runs out: an agent in every worker process, of which one at a time has a run's lease.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{Condition, DbErr, entity::prelude::*};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Column, Entity, Model, RunState};
use crate::{backoff::Pauses, database::Database, database::Transaction};

mod allowance;
mod claim;
mod gauge;
mod judge;
mod step;
mod tally;

use allowance::Allowance;
use gauge::Gauge;

pub(super) use claim::give_back;
pub(super) use tally::tally;

/// How long a lease holds without a sign of its holder.
const LEASE: Duration = Duration::from_secs(10);

/// Pause between polls while there are runs under way.
const STEP_PAUSE: Duration = Duration::from_millis(100);

/// Pause between polls while there are none.
const IDLE: Duration = Duration::from_millis(500);

/// Longest pause while the database is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The conductor of this process. Any number may run.
pub struct Conductor {
    db: Database,
    lease: Duration,
    held: HashMap<Uuid, LeasedRun>,
    gauge: Gauge,
}

/// A run whose lease this process has.
struct LeasedRun {
    lease: Uuid,
    allowance: Allowance,
    tallied: Option<Instant>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stepped {
    /// There is more to do at once.
    Busy,
    /// Nothing to do before time has passed.
    Waiting,
    /// The run is not ours any more: held by an operator, ended, or taken over.
    LeaseLost,
}

impl Conductor {
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, lease: LEASE, held: HashMap::new(), gauge: Gauge::default() }
    }

    /// How long another process waits for a sign of life before it takes a run over; 10 s unless set.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Runs until cancelled, then lets go of its runs, so that another process may go on at once.
    pub async fn run(mut self, cancellation: CancellationToken) {
        let mut pauses = Pauses::new(IDLE, PAUSE_MAX);
        while !cancellation.is_cancelled() {
            let pause = match self.round().await {
                Ok(_) if self.held.is_empty() => IDLE,
                Ok(Stepped::Busy) => Duration::ZERO,
                Ok(Stepped::Waiting | Stepped::LeaseLost) => STEP_PAUSE,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot get on with the redrives");
                    pauses.next()
                }
            };
            if pause <= IDLE {
                pauses.reset();
            }
            cancellation.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        if let Err(error) = self.release_leases().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the leases of redrives lapse by themselves");
        }
    }

    /// Takes what is free, and one step with each run.
    async fn round(&mut self) -> Result<Stepped, DbErr> {
        self.gauge.sample(&self.db).await?;
        let tended = Entity::find().filter(Expr::cust("tended")).all(&*self.db).await?;
        self.held.retain(|id, held| tended.iter().any(|run| run.id == *id && run.lease == Some(held.lease)));
        let (mut stepped, mut failed) = (Stepped::Waiting, None);
        for run in tended {
            let step = async {
                if !self.held.contains_key(&run.id) && !self.take(&run).await? {
                    return Ok(Stepped::Waiting);
                }
                self.step(&run).await
            };
            match step.await {
                Ok(Stepped::Busy) => stepped = Stepped::Busy,
                Ok(Stepped::Waiting) => {}
                Ok(Stepped::LeaseLost) => drop(self.held.remove(&run.id)),
                // The others need not suffer from it.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(stepped), Err)
    }

    /// Takes the run's lease, if nobody has it. Clocks decide only when that is tried: its last holder cannot write any
    /// more, since it does not know the new lease.
    async fn take(&mut self, run: &Model) -> Result<bool, DbErr> {
        let now = Utc::now();
        if run.lease.is_some() && run.lease_until.is_some_and(|until| until > now) {
            return Ok(false);
        }
        let lease = Uuid::now_v7();
        let free = Condition::any().add(Column::Lease.is_null()).add(Column::LeaseUntil.lt(now));
        let tx = self.db.begin().await?;
        let taken = Entity::update_many()
            .col_expr(Column::Lease, Expr::value(lease))
            .col_expr(Column::LeaseUntil, Expr::value(self.until(now)))
            .filter(Column::Id.eq(run.id))
            .filter(Expr::cust("tended"))
            .filter(free)
            .exec(&*tx)
            .await?;
        tx.commit().await?;
        if taken.rows_affected == 1 {
            tracing::info!(redrive_id = %run.id, state = %run.state, "redrive taken in hand");
            let allowance = Allowance::of(run.rate_per_second.unsigned_abs());
            self.held.insert(run.id, LeasedRun { lease, allowance, tallied: None });
        }
        Ok(taken.rows_affected == 1)
    }

    /// Locks the run until the transaction ends, provided that the lease is still ours and nobody holds the run back.
    async fn fence(&self, tx: &Transaction, id: Uuid, lease: Uuid) -> Result<Option<Model>, DbErr> {
        let now = Utc::now();
        let ours = Entity::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(self.until(now)))
            .filter(Column::Id.eq(id))
            .filter(Column::Lease.eq(lease))
            .filter(Expr::cust("tended"))
            .exec_with_returning(&**tx)
            .await?;
        Ok(ours.into_iter().next())
    }

    async fn release_leases(&mut self) -> Result<(), DbErr> {
        let leases: Vec<Uuid> = self.held.drain().map(|(_, held)| held.lease).collect();
        if leases.is_empty() {
            return Ok(());
        }
        let tx = self.db.begin().await?;
        Entity::update_many()
            .col_expr(Column::Lease, Expr::value(Option::<Uuid>::None))
            .filter(Column::Lease.is_in(leases))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }

    fn until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::from_std(self.lease).unwrap_or(TimeDelta::seconds(10))
    }
}

/// Brings a run that the transaction has locked into another state by itself.
async fn enter(tx: &Transaction, run: &Model, state: RunState, reason: Option<String>) -> Result<(), DbErr> {
    let now = Utc::now();
    let tended = !matches!(state, RunState::Stopped | RunState::Done | RunState::Paused);
    let finished_at = state.is_final().then_some(now);
    tracing::info!(redrive_id = %run.id, %state, reason, "redrive");
    Entity::update_many()
        .col_expr(Column::State, Expr::value(state.as_str()))
        .col_expr(Column::StateAt, Expr::value(now))
        .col_expr(Column::StateBy, Expr::value(Option::<String>::None))
        .col_expr(Column::StateReason, Expr::value(reason))
        .col_expr(Column::Tended, Expr::value(tended))
        .col_expr(Column::FinishedAt, Expr::value(finished_at))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(run.id))
        .exec(&**tx)
        .await
        .map(drop)
}
