//! From deliveries to their acknowledgement.

use std::{sync::Arc, time::Instant};

use tracing::Instrument as _;

use super::{
    marks::Marks,
    settle::{self, FinishedDelivery},
};
use crate::{
    broker::{AckHandle, Incoming},
    database::Database,
    job::{JobError, JobResult},
    message::Message,
    registry::{AnyJob, Traits},
    reports::LaneCounters,
};

/// A job with all it needs.
pub(super) struct Work<C> {
    pub(super) db: Database,
    pub(super) job: Arc<dyn AnyJob<C>>,
    pub(super) context: Arc<C>,
    pub(super) counters: LaneCounters,
    pub(super) marks: Arc<Marks>,
}

impl<C: Send + Sync + 'static> Work<C> {
    /// Runs the job over what was delivered, settles what became of it, and acknowledges.
    pub(super) async fn work(&self, batch: Vec<Incoming>) {
        let traits = self.job.traits();
        let waited = batch.iter().map(|incoming| incoming.waited).max().unwrap_or_default();
        let _in_flight = self.counters.taken(batch.len(), waited);
        let (mut messages, mut ack_handles, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for Incoming { content, ack_handle, .. } in batch {
            match content {
                Ok(message) => {
                    messages.push(message);
                    ack_handles.push(ack_handle);
                }
                Err(dead) => unreadable.push((*dead, ack_handle)),
            }
        }
        self.counters.finished(0, unreadable.len());
        settle::dead_letter_unreadable(&self.db, &traits, unreadable).await;
        if messages.is_empty() {
            return;
        }
        let span = span(&traits, &messages);
        fail::fail_point!("job.delivered");
        let finished = self.attempt(messages, ack_handles).instrument(span.clone()).await;
        fail::fail_point!("job.done");
        settle::settle(&self.db, &self.marks, &traits, finished).instrument(span).await;
    }

    async fn attempt(&self, messages: Vec<Message>, ack_handles: Vec<AckHandle>) -> Vec<FinishedDelivery> {
        let started = Instant::now();
        let results = self.job.attempt(&self.context, &messages).await;
        let queue = self.job.traits().queue;
        metrics::histogram!("quittance_job_seconds", "queue" => queue).record(started.elapsed());
        let ended = |result: &&JobResult| !matches!(result, Err(JobError::Snooze(_)));
        let done = results.iter().filter(|result| result.is_ok()).count();
        self.counters.finished(done, results.iter().filter(ended).count() - done);
        let finished = messages.into_iter().zip(ack_handles).zip(results);
        finished.map(|((message, ack_handle), result)| FinishedDelivery { message, ack_handle, result }).collect()
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
