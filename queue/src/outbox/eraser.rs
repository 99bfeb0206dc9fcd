//! Deletes finished rows in batches: while one deletion is under way, the next batch gathers.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use super::claim;
use crate::{backoff::Pauses, database::Database};

/// Ids deleted in one transaction.
const BATCH: usize = 1_000;

/// A handle on the deleting task, which ends when this is dropped.
pub(crate) struct Eraser {
    finished: Option<mpsc::UnboundedSender<Vec<Uuid>>>,
    task: JoinHandle<()>,
}

impl Eraser {
    pub(crate) fn start(db: Database) -> Self {
        let (finished, receiver) = mpsc::unbounded_channel();
        Self { finished: Some(finished), task: tokio::spawn(erase_all(db, receiver)) }
    }

    /// Returns at once. Should the process die before the deletion, the rows come again, as any message may.
    pub(crate) fn erase(&self, ids: Vec<Uuid>) {
        if let Some(finished) = self.finished.as_ref().filter(|_| !ids.is_empty()) {
            // The task ends only with this handle.
            let _ = finished.send(ids);
        }
    }

    /// Waits until everything given so far is deleted.
    pub(crate) async fn finish(mut self, within: Duration) {
        self.finished = None;
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            tracing::warn!("finished outbox rows could not be deleted in time; they will come again");
        }
    }
}

impl Drop for Eraser {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn erase_all(db: Database, mut receiver: mpsc::UnboundedReceiver<Vec<Uuid>>) {
    let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut ids = Vec::new();
    while let Some(first) = receiver.recv().await {
        ids.extend(first);
        while ids.len() < BATCH
            && let Ok(more) = receiver.try_recv()
        {
            ids.extend(more);
        }
        while let Err(error) = claim::erase(&db, &ids).await {
            tracing::warn!(error = &error as &dyn std::error::Error, rows = ids.len(), "cannot delete finished rows");
            tokio::time::sleep(pauses.next()).await;
        }
        pauses.reset();
        ids.clear();
    }
}
