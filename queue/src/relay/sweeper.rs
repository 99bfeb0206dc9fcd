//! Finds what no relay has in hand: scheduled rows that have come due, rows of processes that died, rows of
//! command-line tools, and everything that was committed while the broker was away.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::OutboxPublisher;
use crate::{
    backoff::Pauses,
    broker::Intake,
    health::PartHandle,
    outbox::{self, claim, eraser::Eraser},
};

/// Pause between sweeps that find nothing.
const PAUSE: Duration = Duration::from_millis(250);

/// Longest pause while the broker or the database is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often the backlog is measured.
const MEASURE: Duration = Duration::from_secs(5);

/// What a sweep found.
enum Swept {
    /// There may be more: go on at once.
    Full,
    /// Nothing more is due.
    Empty,
    /// The broker or the database is away.
    Failed,
}

/// Sweeps until cancelled.
pub(super) async fn sweep(
    publisher: &OutboxPublisher,
    eraser: &Eraser,
    part: &PartHandle,
    cancellation: &CancellationToken,
) {
    let mut pauses = Pauses::new(PAUSE, PAUSE_MAX);
    let mut measured: Option<Instant> = None;
    while !cancellation.is_cancelled() {
        if measured.is_none_or(|at| at.elapsed() >= MEASURE) {
            measure(publisher).await;
            measured = Some(Instant::now());
        }
        let Some(intake) = cancellation.run_until_cancelled(publisher.broker.intake()).await else { return };
        let pause = match once(publisher, eraser, part, &intake).await {
            Swept::Full => continue,
            Swept::Empty => {
                pauses.reset();
                PAUSE
            }
            Swept::Failed => pauses.next(),
        };
        cancellation.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

async fn once(publisher: &OutboxPublisher, eraser: &Eraser, part: &PartHandle, intake: &Intake) -> Swept {
    if *intake == Intake::Nothing {
        part.down("the broker takes nothing");
        return Swept::Failed;
    }
    let messages = match claim::claim(&publisher.db, intake).await {
        Ok(messages) => messages,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot sweep the outbox");
            part.down(error);
            return Swept::Failed;
        }
    };
    let (found, unknown) = (messages.len(), publisher.publish(messages, eraser).await);
    if unknown > 0 {
        part.down(format!("{unknown} of {found} messages were not confirmed"));
        // As long as some get through, it is not the broker that is away.
        return if unknown == found { Swept::Failed } else { Swept::Empty };
    }
    part.up();
    if found == usize::try_from(claim::SWEEP).unwrap_or(usize::MAX) { Swept::Full } else { Swept::Empty }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the count is bounded")]
async fn measure(publisher: &OutboxPublisher) {
    if let Ok(backlog) = outbox::backlog(&publisher.db).await {
        metrics::gauge!("quittance_outbox_pending").set(backlog.rows as f64);
        let age = backlog.oldest_due_at.and_then(|at| (chrono::Utc::now() - at).to_std().ok()).unwrap_or_default();
        metrics::gauge!("quittance_outbox_oldest_seconds").set(age.as_secs_f64());
    }
}
