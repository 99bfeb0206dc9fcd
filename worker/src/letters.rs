//! Tends the dead letters: finds out whom each belongs to, and takes those off the operators' hands whose effect is
//! there, because the safety net or somebody else has brought it about.
//!
//! A letter belongs to somebody from the start where its message says what it is about. Messages of earlier versions do
//! not, nor does any know the node of its payment if whoever wrote it did not; this completes them within seconds.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use entities::now;
use payments::subjects;
use queue::{
    Foreseer, Subject,
    dead_letters::{self, DeadLetter},
};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use crate::{Context, jobs};

/// Pause between two polls for new letters.
const EVERY: Duration = Duration::from_secs(2);

/// How long after a letter was examined its job is asked about it, and asked again. An operator who is at work on it is
/// not to find it gone, and a job's answer costs a few queries.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);

/// New letters that are completed in one pass.
const ASSIGNED_TOGETHER: u64 = 200;

/// Letters whose jobs are asked in one pass.
const JUDGED_TOGETHER: u64 = 100;

/// Polls until it is stopped; what fails is tried again the next time.
pub async fn run(context: Context, stop: CancellationToken) {
    while tokio::time::timeout(EVERY, stop.cancelled()).await.is_err() {
        for done in [assign(&context).await, resolve(&context, PATIENCE).await] {
            if let Err(error) = done {
                tracing::warn!("dead letters are tended later: {error:#}");
            }
        }
    }
}

/// Finds out whom new letters belong to, and returns how many were examined.
pub async fn assign(context: &Context) -> anyhow::Result<usize> {
    let letters = dead_letters::unassigned(&context.db, ASSIGNED_TOGETHER).await?;
    let mut subjects = Vec::with_capacity(letters.len());
    for letter in &letters {
        subjects.push((letter.id, subject(context, letter).await?));
    }
    if !subjects.is_empty() {
        let tx = context.db.begin().await?;
        for (id, subject) in &subjects {
            dead_letters::assign(&*tx, *id, *subject).await?;
        }
        tx.commit().await?;
    }
    Ok(letters.len())
}

/// What the letter is about. One whose rows are damaged keeps what is known of it, and holds up no other.
async fn subject(context: &Context, letter: &DeadLetter) -> Result<Subject, DbErr> {
    let known = letter.subject();
    match subjects::complete(&*context.db, &letter.kind, &letter.body, known).await {
        Err(error) if !queue::is_absent(&error) => {
            tracing::warn!(dead_letter = %letter.id, %error, "it cannot be found out whom a dead letter belongs to");
            Ok(known)
        }
        subject => subject,
    }
}

/// Asks the jobs of letters that were not asked for so long what they would do, and resolves those with nothing left to
/// do; returns how many those were.
pub async fn resolve(context: &Context, patience: TimeDelta) -> anyhow::Result<usize> {
    let letters = dead_letters::due_for_review(&context.db, now() - patience, JUDGED_TOGETHER).await?;
    if letters.is_empty() {
        return Ok(0);
    }
    let foreseen = foreseer(context).foresee(&letters).await?;
    let mut resolved = 0;
    let tx = context.db.begin().await?;
    for (letter, foresight) in letters.iter().zip(foreseen) {
        if dead_letters::record_foresight(&*tx, letter.id, foresight.outlook, &foresight.reason).await? {
            metrics::counter!("quittance_dead_letters_resolved_total", "queue" => letter.queue.clone()).increment(1);
            tracing::info!(dead_letter = %letter.id, reason = %foresight.reason, "a dead letter has nothing left to do");
            resolved += 1;
        }
    }
    tx.commit().await?;
    Ok(resolved)
}

fn foreseer(context: &Context) -> Foreseer {
    jobs::registry().foreseer(Arc::new(context.clone()))
}
