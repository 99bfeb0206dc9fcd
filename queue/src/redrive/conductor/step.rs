//! One step of a run: one transaction that names its lease.

use std::time::{Duration, Instant};

use chrono::Utc;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value, entity::prelude::*};
use uuid::Uuid;

use super::{
    Conductor, Stepped,
    claim::{claim, give_back},
    enter,
    judge::{self, NextStep, patient_until},
    tally::{Tally, tally},
};
use crate::{
    database::Transaction,
    dead_letters::{
        self as letters, LetterState,
        replay::{readable, replayed},
    },
    redrive::{Column, Entity, Model, RunState},
};

/// Letters replayed in one transaction.
const BATCH: u64 = 200;

/// How often the outcomes are counted, at most.
const TALLY_EVERY: Duration = Duration::from_millis(250);

/// What a transaction replayed.
struct Sent {
    letters: u64,
    /// Letters that were passed over, because no job could read them.
    skipped: u64,
}

impl Conductor {
    pub(super) async fn step(&mut self, run: &Model) -> Result<Stepped, DbErr> {
        match run.state {
            RunState::Claiming => self.claim(run.id).await,
            RunState::Canary | RunState::Running => self.replay(run).await,
            RunState::Aborted => self.give_back(run.id).await,
            RunState::Paused | RunState::Stopped | RunState::Done => Ok(Stepped::LeaseLost),
        }
    }

    async fn claim(&self, id: Uuid) -> Result<Stepped, DbErr> {
        let Some(held) = self.held.get(&id) else { return Ok(Stepped::LeaseLost) };
        let tx = self.db.begin().await?;
        let Some(run) = self.fence(&tx, id, held.lease).await? else { return Ok(Stepped::LeaseLost) };
        let stepped = claim(&tx, &run).await?;
        tx.commit().await?;
        fail::fail_point!("redrive.claimed");
        Ok(stepped)
    }

    async fn give_back(&self, id: Uuid) -> Result<Stepped, DbErr> {
        let Some(held) = self.held.get(&id) else { return Ok(Stepped::LeaseLost) };
        let tx = self.db.begin().await?;
        if self.fence(&tx, id, held.lease).await?.is_none() {
            return Ok(Stepped::LeaseLost);
        }
        let left = give_back(&tx, id).await?;
        if !left {
            let tended = Entity::update_many().col_expr(Column::Tended, Expr::value(false));
            tended.filter(Column::Id.eq(id)).exec(&*tx).await?;
        }
        tx.commit().await?;
        Ok(if left { Stepped::Busy } else { Stepped::LeaseLost })
    }

    /// Looks at the outcomes and does what follows from them.
    async fn replay(&mut self, run: &Model) -> Result<Stepped, DbErr> {
        let now = Instant::now();
        let Some(held) = self.held.get_mut(&run.id) else { return Ok(Stepped::LeaseLost) };
        let (lease, allowed) = (held.lease, held.allowance.letters(now));
        let due = held.tallied.is_none_or(|at| now.saturating_duration_since(at) >= TALLY_EVERY);
        if !due && allowed == 0 {
            return Ok(Stepped::Waiting);
        }
        let counted = tally(&*self.db, run.id).await?;
        let verdict = match run.state {
            RunState::Canary => judge::canary(&*self.db, run, &counted).await?,
            _ => judge::rest(&*self.db, run, &counted).await?,
        };
        if !due && !matches!(verdict, NextStep::Go(_)) {
            return Ok(Stepped::Waiting);
        }
        let mut tx = self.db.begin().await?;
        // Resumed in between, it is judged anew.
        let Some(run) = self.fence(&tx, run.id, lease).await?.filter(|now| now.state == run.state) else {
            return Ok(Stepped::LeaseLost);
        };
        let sent = self.act(&mut tx, &run, verdict, allowed, &counted).await?;
        fail::fail_point!("redrive.before_commit");
        tx.commit().await?;
        fail::fail_point!("redrive.replayed");
        if let Some(held) = self.held.get_mut(&run.id) {
            held.tallied = Some(now);
            held.allowance.spend(sent.letters);
        }
        Ok(if sent.letters + sent.skipped >= BATCH { Stepped::Busy } else { Stepped::Waiting })
    }

    async fn act(
        &self,
        tx: &mut Transaction,
        run: &Model,
        verdict: NextStep,
        allowed: u64,
        counted: &Tally,
    ) -> Result<Sent, DbErr> {
        let mut sent = Sent { letters: 0, skipped: 0 };
        match verdict {
            NextStep::Go(most) => sent = send(tx, run, most.min(allowed).min(BATCH)).await?,
            NextStep::Wait => {}
            NextStep::CanaryPassed => {
                let passed = Entity::update_many().col_expr(Column::CanaryPassed, Expr::value(true));
                passed.filter(Column::Id.eq(run.id)).exec(&**tx).await?;
                enter(tx, run, RunState::Running, None).await?;
            }
            NextStep::Stop(reason) => enter(tx, run, RunState::Stopped, Some(reason)).await?,
            NextStep::Done(reason) => enter(tx, run, RunState::Done, Some(reason)).await?,
        }
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Entity::update_many()
            .col_expr(Column::Replayed, Expr::value(run.replayed + count(sent.letters)))
            .col_expr(Column::Skipped, Expr::value(run.skipped + count(sent.skipped)))
            .col_expr(Column::Resolved, Expr::value(counted.resolved))
            .col_expr(Column::DeadAgain, Expr::value(counted.dead_again))
            .col_expr(Column::UpdatedAt, Expr::value(Utc::now()))
            .filter(Column::Id.eq(run.id))
            .exec(&**tx)
            .await?;
        Ok(sent)
    }
}

/// Replays the oldest letters whose turn it is. Claim and message are written by one transaction: each is replayed
/// once.
async fn send(tx: &mut Transaction, run: &Model, most: u64) -> Result<Sent, DbErr> {
    let ids = ready(tx, run, most).await?;
    let rows = letters::Entity::find().filter(letters::Column::Id.is_in(ids)).all(&**tx).await?;
    let (mut good, bad): (Vec<_>, Vec<_>) = rows.into_iter().partition(readable);
    good.sort_by_key(|letter| letter.id);
    skip(tx, run, &bad).await?;
    let replays: Vec<_> = good.into_iter().map(|letter| (letter, Uuid::now_v7())).collect();
    mark_replayed(tx, replays.iter().map(|(letter, row_id)| (letter.id, *row_id)).collect()).await?;
    let count = |letters: usize| u64::try_from(letters).unwrap_or(u64::MAX);
    let sent = Sent { letters: count(replays.len()), skipped: count(bad.len()) };
    for (letter, _) in &replays {
        metrics::counter!("quittance_redrive_replays_total", "queue" => letter.queue.clone()).increment(1);
    }
    tx.enqueue(replays.into_iter().map(|(letter, row_id)| replayed(letter, row_id)).collect()).await?;
    Ok(sent)
}

#[derive(FromQueryResult)]
struct Ready {
    id: Uuid,
}

/// The oldest letters that wait for nothing: of a payment, one at a time, and none while a replay about it, whoever
/// asked for that, has no outcome yet and is not older than the run's patience.
async fn ready(tx: &Transaction, run: &Model, most: u64) -> Result<Vec<Uuid>, DbErr> {
    let sql = format!(
        "SELECT letter.id AS id FROM dead_letters AS letter \
         WHERE letter.redrive_id IS NOT NULL AND letter.redrive_id = $1 AND letter.state = 'claimed' \
         AND (letter.payment_id IS NULL OR NOT EXISTS (SELECT 1 FROM dead_letters AS other \
         WHERE other.payment_id = letter.payment_id AND other.state IN ('claimed', 'replayed') \
         AND ((other.state = 'claimed' AND other.redrive_id = $1 AND other.id < letter.id) \
         OR (other.state = 'replayed' AND other.replayed_at > $2)))) \
         ORDER BY letter.id LIMIT {most}"
    );
    let values: [Value; 2] = [run.id.into(), patient_until(run).into()];
    let ready = Ready::find_by_statement(Statement::from_sql_and_values(tx.backend(), sql, values)).all(&**tx).await?;
    Ok(ready.into_iter().map(|ready| ready.id).collect())
}

async fn skip(tx: &Transaction, run: &Model, bad: &[letters::Model]) -> Result<(), DbErr> {
    if bad.is_empty() {
        return Ok(());
    }
    let reason = format!("skipped by redrive {}: the body is not text; no job can read it", run.id);
    letters::Entity::update_many()
        .col_expr(letters::Column::State, Expr::value(LetterState::Dead.as_str()))
        .col_expr(letters::Column::StateAt, Expr::value(Utc::now()))
        .col_expr(letters::Column::StateReason, Expr::value(reason))
        .filter(letters::Column::Id.is_in(bad.iter().map(|letter| letter.id)))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Letter and outbox row of each replay, in one statement.
async fn mark_replayed(tx: &Transaction, replays: Vec<(Uuid, Uuid)>) -> Result<(), DbErr> {
    if replays.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = (0..replays.len()).map(|row| format!("(${}, ${})", 2 * row + 2, 2 * row + 3)).collect();
    let sql = format!(
        "UPDATE dead_letters SET state = 'replayed', state_at = $1, replayed_at = $1, replayed_as = replay.column2, \
         replay_failures = 0, replay_error = NULL \
         FROM (VALUES {}) AS replay WHERE dead_letters.id = replay.column1",
        rows.join(", ")
    );
    let mut values: Vec<Value> = vec![Utc::now().into()];
    values.extend(replays.into_iter().flat_map(|(letter, row_id)| [Value::from(letter), Value::from(row_id)]));
    tx.execute_raw(Statement::from_sql_and_values(tx.backend(), sql, values)).await.map(drop)
}
