//! Moves what the broker dead-letters into the table of dead letters, where operators find it; and forgets what the
//! inbox no longer needs to know.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use futures_util::future::join_all;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Pauses,
    broker::{AckHandle, Broker, Consumer, Incoming},
    database::Database,
    dead_letters::{self, DeadMessage},
    inbox,
};

/// Letters moved in one transaction.
const BATCH: u16 = 50;

/// How long the inbox remembers, days: longer than any redelivery or replay may take.
const INBOX_DAYS: i64 = 90;

/// How often the inbox is tidied.
const TIDY: Duration = Duration::from_secs(3_600);

/// The archivist of this process. Any number may run.
pub struct Archivist {
    db: Database,
    broker: Arc<dyn Broker>,
}

impl Archivist {
    #[must_use]
    pub fn new(db: Database, broker: Arc<dyn Broker>) -> Self {
        Self { db, broker }
    }

    /// Runs until cancelled.
    pub async fn run(self, cancellation: CancellationToken) {
        let work = async {
            tokio::join!(self.tidy(), async {
                match self.broker.consume_dead(BATCH) {
                    Some(consumer) => self.archive(consumer).await,
                    None => std::future::pending().await,
                }
            });
        };
        // What is not acknowledged yet comes again to the next archivist, and is recognised.
        cancellation.run_until_cancelled(work).await;
    }

    async fn archive(&self, mut consumer: Consumer) {
        let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(5));
        while let Some(first) = consumer.next().await {
            let mut batch = vec![first];
            while batch.len() < usize::from(BATCH)
                && let Some(next) = consumer.try_next()
            {
                batch.push(next);
            }
            let (dead, ack_handles): (Vec<_>, Vec<_>) = batch.into_iter().map(read).unzip();
            // Holding on rather than giving back: the dead queue has no further place to put a message.
            while let Err(error) = self.record(&dead).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot record dead letters");
                tokio::time::sleep(pauses.next()).await;
            }
            pauses.reset();
            fail::fail_point!("archivist.recorded");
            join_all(ack_handles.into_iter().map(AckHandle::ack)).await;
        }
    }

    async fn record(&self, dead: &[DeadMessage]) -> Result<(), DbErr> {
        let tx = self.db.begin().await?;
        dead_letters::record(&*tx, dead.to_vec()).await?;
        tx.commit().await?;
        for letter in dead {
            tracing::error!(queue = letter.queue, message_id = %letter.message_id, code = letter.error_code, "dead letter");
        }
        Ok(())
    }

    async fn tidy(&self) {
        let mut ticks = tokio::time::interval(TIDY);
        loop {
            ticks.tick().await;
            let before = Utc::now() - chrono::Duration::days(INBOX_DAYS);
            if let Err(error) = inbox::forget_before(&self.db, before).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot tidy the inbox");
            }
        }
    }
}

fn read(incoming: Incoming) -> (DeadMessage, AckHandle) {
    let dead = match incoming.content {
        Ok(message) => DeadMessage::broker(message, "dead_lettered", "dead-lettered by the broker"),
        Err(dead) => *dead,
    };
    (dead, incoming.ack_handle)
}
