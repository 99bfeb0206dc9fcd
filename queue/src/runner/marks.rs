//! Marking the dead letters whose replays ended well, for all lanes of a process together: jobs that end while a commit
//! is under way share the next one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sea_orm::DbErr;
use tokio::sync::{
    Mutex as Turn,
    oneshot::{self, error::TryRecvError},
};
use uuid::Uuid;

use crate::{
    backoff::Pauses,
    database::Database,
    dead_letters::{LetterState, outcome},
};

#[derive(Default)]
pub(super) struct Marks {
    waiting: Mutex<Vec<PendingMark>>,
    turn: Turn<()>,
}

struct PendingMark {
    letters: Vec<Uuid>,
    written: oneshot::Sender<()>,
}

impl Marks {
    /// Marks them `resolved`, and returns when that is durable. Holds on while the database is away: what is not marked
    /// is not acknowledged either.
    pub(super) async fn resolve(&self, db: &Database, letters: Vec<Uuid>) {
        if letters.is_empty() {
            return;
        }
        let (written, mut done) = oneshot::channel();
        self.add(PendingMark { letters: letters.clone(), written });
        let _turn = self.turn.lock().await;
        match done.try_recv() {
            Ok(()) => return,
            Err(TryRecvError::Empty) => {}
            // The task that had taken them was cancelled, and nobody knows whether they are written.
            Err(TryRecvError::Closed) => self.add(PendingMark { letters, written: oneshot::channel().0 }),
        }
        let together = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let letters: Vec<Uuid> = together.iter().flat_map(|waiting| waiting.letters.iter().copied()).collect();
        let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(5));
        while let Err(error) = write(db, &letters).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot mark what was replayed");
            tokio::time::sleep(pauses.next()).await;
        }
        fail::fail_point!("settle.letter_resolved");
        for waiting in together {
            // A task that does not wait any more was cancelled.
            let _ = waiting.written.send(());
        }
    }

    fn add(&self, waiting: PendingMark) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }
}

async fn write(db: &Database, letters: &[Uuid]) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    outcome::mark(&*tx, letters.to_vec(), LetterState::Resolved).await?;
    tx.commit().await
}
