//! One queue's way through the runner.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::work::Work;
use crate::{
    broker::{Broker, Consumer, Incoming},
    registry::Traits,
};

/// How long a batch that is not full waits for more, while more are expected: deliveries of a burst arrive one by one.
const LINGER: Duration = Duration::from_millis(5);

/// How long to wait for the broker to confirm that it delivers no more.
const STOP: Duration = Duration::from_secs(5);

pub(super) struct Lane<C> {
    broker: Arc<dyn Broker>,
    work: Arc<Work<C>>,
    traits: Traits,
}

impl<C: Send + Sync + 'static> Lane<C> {
    pub(super) fn new(broker: Arc<dyn Broker>, work: Work<C>) -> Self {
        let traits = work.job.traits();
        Self { broker, work: Arc::new(work), traits }
    }

    pub(super) async fn run(self, cancellation: CancellationToken, drain: Duration) {
        let mut consumer = self.broker.consume(self.traits.queue, self.traits.prefetch);
        let mut running = JoinSet::new();
        let taken = cancellation.run_until_cancelled(self.take(&mut consumer, &mut running)).await;
        if taken.is_none() {
            tracing::debug!(queue = self.traits.queue, running = running.len(), "draining");
        }
        consumer.stop();
        let leftovers = async {
            while let Some(incoming) = consumer.next().await {
                incoming.ack_handle.release().await;
            }
        };
        if tokio::time::timeout(STOP, leftovers).await.is_err() {
            tracing::warn!(queue = self.traits.queue, "the broker did not confirm the end of consuming");
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, drained).await.is_err() {
            tracing::warn!(queue = self.traits.queue, running = running.len(), "jobs did not finish; they come again");
        }
    }

    /// Takes deliveries for as long as the consumer lives. Batches follow one another, so that what arrives while one
    /// is worked on forms the next; single jobs run side by side up to the prefetch.
    async fn take(&self, consumer: &mut Consumer, running: &mut JoinSet<()>) {
        let side_by_side = usize::from(self.traits.prefetch) / self.traits.batch;
        let slots = Arc::new(Semaphore::new(side_by_side.max(1)));
        let mut last = 1;
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            let Some(first) = consumer.next().await else { return };
            let batch = self.gather(consumer, first, last > 1).await;
            last = batch.len();
            let work = Arc::clone(&self.work);
            running.spawn(async move {
                work.work(batch).await;
                drop(slot);
            });
            while running.try_join_next().is_some() {}
        }
    }

    async fn gather(&self, consumer: &mut Consumer, first: Incoming, more_expected: bool) -> Vec<Incoming> {
        let mut batch = vec![first];
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        while batch.len() < self.traits.batch {
            if let Some(incoming) = consumer.try_next() {
                batch.push(incoming);
            } else if more_expected {
                tokio::select! {
                    incoming = consumer.next() => match incoming {
                        Some(incoming) => batch.push(incoming),
                        None => break,
                    },
                    () = &mut linger => break,
                }
            } else {
                break;
            }
        }
        batch
    }
}
