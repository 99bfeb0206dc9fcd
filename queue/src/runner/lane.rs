//! One queue's way through the runner.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::settle::{self, Answered};
use crate::{
    broker::{Broker, Consumer, Incoming, Ticket},
    database::Database,
    message::Message,
    registry::{AnyJob, Traits},
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

/// What every task of a lane needs.
struct Work<C> {
    db: Database,
    job: Arc<dyn AnyJob<C>>,
    context: Arc<C>,
}

impl<C: Send + Sync + 'static> Lane<C> {
    pub(super) fn new(db: Database, broker: Arc<dyn Broker>, job: Arc<dyn AnyJob<C>>, context: Arc<C>) -> Self {
        let traits = job.traits();
        Self { broker, work: Arc::new(Work { db, job, context }), traits }
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
                incoming.ticket.release().await;
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
            running.spawn(Arc::clone(&self.work).work(batch, slot));
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

impl<C: Send + Sync + 'static> Work<C> {
    async fn work(self: Arc<Self>, batch: Vec<Incoming>, slot: OwnedSemaphorePermit) {
        let traits = self.job.traits();
        let (mut messages, mut tickets, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for Incoming { content, ticket } in batch {
            match content {
                Ok(message) => {
                    messages.push(message);
                    tickets.push(ticket);
                }
                Err(dead) => unreadable.push((*dead, ticket)),
            }
        }
        settle::bury(&self.db, &traits, unreadable).await;
        if messages.is_empty() {
            return;
        }
        let span = span(&traits, &messages);
        let answered = self.attempt(messages, tickets).instrument(span.clone()).await;
        settle::settle(&self.db, &traits, answered).instrument(span).await;
        drop(slot);
    }

    async fn attempt(&self, messages: Vec<Message>, tickets: Vec<Ticket>) -> Vec<Answered> {
        let started = Instant::now();
        let results = self.job.attempt(&self.context, &messages).await;
        let queue = self.job.traits().queue;
        metrics::histogram!("quittance_job_seconds", "queue" => queue).record(started.elapsed());
        let answered = messages.into_iter().zip(tickets).zip(results);
        answered.map(|((message, ticket), result)| Answered { message, ticket, result }).collect()
    }
}

/// A batch is logged under its first message.
fn span(traits: &Traits, messages: &[Message]) -> tracing::Span {
    let Some(message) = messages.first() else { return tracing::Span::none() };
    let header = |name: &str| message.headers.get(name).map_or("", String::as_str);
    tracing::info_span!(
        "job",
        queue = traits.queue,
        message_id = %message.message_id,
        request_id = header("request_id"),
        payment_id = header("payment_id"),
        attempt = message.attempts.saturating_add(1),
        messages = messages.len(),
    )
}
