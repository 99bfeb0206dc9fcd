//! What a run's outcomes mean for it.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, PaginatorTrait, QueryOrder, QuerySelect, Select, entity::prelude::*};

use super::tally::Tally;
use crate::{
    dead_letters::{self as letters, LetterState, is, of_run},
    redrive::Model,
};

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Up to so many letters may be replayed.
    Go(u64),
    /// What is under way is waited for.
    Wait,
    /// The canary has ended well.
    CanaryPassed,
    Stop(String),
    Done(String),
}

/// During the canary: all of it goes out, and all of it has to end well.
pub(super) async fn canary<C: ConnectionTrait>(connection: &C, run: &Model, tally: &Tally) -> Result<NextStep, DbErr> {
    let size = u64::from(run.canary.unsigned_abs());
    let counts: Vec<(LetterState, i64)> = letters::Entity::find()
        .select_only()
        .column(letters::Column::State)
        .column_as(Expr::cust("COUNT(*)"), "letters")
        .filter(of_run(run.id))
        .filter(letters::Column::State.is_in([LetterState::Replayed, LetterState::Resolved, LetterState::DeadAgain]))
        .filter(letters::Column::ReplayedAt.gte(run.judged_since))
        .group_by(letters::Column::State)
        .into_tuple()
        .all(connection)
        .await?;
    let of = |state| counts.iter().find(|(is, _)| *is == state).map_or(0, |(_, count)| count.unsigned_abs());
    let (under_way, sent) =
        (of(LetterState::Replayed), counts.iter().map(|(_, count)| count.unsigned_abs()).sum::<u64>());
    if of(LetterState::DeadAgain) > 0 {
        return Ok(NextStep::Stop("a letter of the canary died again".to_owned()));
    }
    if let Some((failures, error)) = failing(connection, run).await? {
        let error = error.unwrap_or_default();
        return Ok(NextStep::Stop(format!("a letter of the canary has failed {failures} times again: {error}")));
    }
    if under_way > 0 && oldest_under_way(connection, run).await?.is_some_and(|at| at < patient_until(run)) {
        let seconds = run.patience_seconds;
        return Ok(NextStep::Stop(format!("a letter of the canary had no outcome within {seconds} s")));
    }
    if sent < size && tally.claimed > 0 {
        return Ok(NextStep::Go(size - sent));
    }
    Ok(if under_way > 0 { NextStep::Wait } else { NextStep::CanaryPassed })
}

/// After the canary: the stop rule, then the rest, then the end.
pub(super) async fn rest<C: ConnectionTrait>(connection: &C, run: &Model, tally: &Tally) -> Result<NextStep, DbErr> {
    if let Some(reason) = too_many_deaths(connection, run).await? {
        return Ok(NextStep::Stop(reason));
    }
    if tally.claimed > 0 {
        return Ok(NextStep::Go(u64::MAX));
    }
    if tally.under_way == 0 {
        return Ok(NextStep::Done("every replay has its outcome".to_owned()));
    }
    let newest = under_way(connection, run, sea_orm::Order::Desc).await?;
    if newest.is_none_or(|at| at >= patient_until(run)) {
        return Ok(NextStep::Wait);
    }
    let (left, seconds) = (tally.under_way, run.patience_seconds);
    Ok(NextStep::Done(format!("{left} replays had no outcome within {seconds} s and are not waited for any longer")))
}

/// More deaths among the newest outcomes than the run's rule allows. A run with fewer letters than the rule counts is
/// measured by what it has, not by how many of them happen to be through.
async fn too_many_deaths<C: ConnectionTrait>(connection: &C, run: &Model) -> Result<Option<String>, DbErr> {
    let window = i64::from(run.stop_window).min(run.total).max(1);
    let newest: Vec<LetterState> = letters::Entity::find()
        .select_only()
        .column(letters::Column::State)
        .filter(of_run(run.id))
        .filter(Expr::cust("state IN ('resolved', 'dead_again')"))
        .filter(letters::Column::ReplayedAt.gte(run.judged_since))
        .order_by_desc(letters::Column::StateAt)
        .limit(window.unsigned_abs())
        .into_tuple()
        .all(connection)
        .await?;
    // What keeps failing is on its way to die: waiting until all its attempts are used up would let many more follow
    // it.
    let failing = failing_replays(run).limit(window.unsigned_abs()).count(connection).await?;
    let dead = newest.iter().filter(|state| **state == LetterState::DeadAgain).count();
    let deaths = i64::try_from(dead).unwrap_or(i64::MAX).saturating_add(i64::try_from(failing).unwrap_or(i64::MAX));
    let percent = i64::from(run.stop_percent);
    let outcomes = u64::try_from(newest.len()).unwrap_or(u64::MAX).saturating_add(failing);
    Ok((deaths.saturating_mul(100) > window * percent).then(|| {
        format!(
            "{deaths} of the last {outcomes} outcomes are deaths, {failing} of which keep failing: more than \
             {percent} % of {window}"
        )
    }))
}

/// Replays under way that have failed more than once, since the run is being judged. One failure may be the weather's.
fn failing_replays(run: &Model) -> Select<letters::Entity> {
    letters::Entity::find()
        .filter(letters::Column::RedriveId.eq(run.id))
        // Word by word the condition of an index.
        .filter(Expr::cust("state = 'replayed' AND replay_failures > 1"))
        .filter(letters::Column::ReplayedAt.gte(run.judged_since))
}

/// How often the first of them has failed, and with which error.
async fn failing<C: ConnectionTrait>(connection: &C, run: &Model) -> Result<Option<(i32, Option<String>)>, DbErr> {
    use letters::Column as C;
    let first = failing_replays(run).select_only().columns([C::ReplayFailures, C::ReplayError]);
    first.order_by_asc(C::ReplayedAt).limit(1).into_tuple().one(connection).await
}

/// What was replayed before this time should have its outcome.
pub(super) fn patient_until(run: &Model) -> DateTime<Utc> {
    Utc::now() - TimeDelta::seconds(i64::from(run.patience_seconds))
}

async fn oldest_under_way<C: ConnectionTrait>(connection: &C, run: &Model) -> Result<Option<DateTime<Utc>>, DbErr> {
    under_way(connection, run, sea_orm::Order::Asc).await
}

/// When the oldest, or newest, of those under way was replayed, since the run is being judged.
async fn under_way<C: ConnectionTrait>(
    connection: &C,
    run: &Model,
    order: sea_orm::Order,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let replayed: Option<Option<DateTime<Utc>>> = letters::Entity::find()
        .select_only()
        .column(letters::Column::ReplayedAt)
        .filter(of_run(run.id))
        .filter(is(LetterState::Replayed))
        .order_by(letters::Column::ReplayedAt, order)
        .limit(1)
        .into_tuple()
        .one(connection)
        .await?;
    Ok(replayed.flatten())
}
