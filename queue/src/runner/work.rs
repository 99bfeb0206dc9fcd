//! From deliveries to their acknowledgement.

use std::{sync::Arc, time::Instant};

use tracing::Instrument as _;

use super::{
    marks::Marks,
    settle::{self, Answered},
};
use crate::{
    broker::{Incoming, Ticket},
    database::Database,
    job::{JobError, JobResult},
    message::Message,
    registry::{AnyJob, Traits},
    reports::Tally,
};

/// A job with all it needs.
pub(super) struct Work<C> {
    pub(super) db: Database,
    pub(super) job: Arc<dyn AnyJob<C>>,
    pub(super) context: Arc<C>,
    pub(super) tally: Tally,
    pub(super) marks: Arc<Marks>,
}

impl<C: Send + Sync + 'static> Work<C> {
    /// Runs the job over what was delivered, settles what became of it, and acknowledges.
    pub(super) async fn work(&self, batch: Vec<Incoming>) {
        let traits = self.job.traits();
        let waited = batch.iter().map(|incoming| incoming.waited).max().unwrap_or_default();
        let _in_flight = self.tally.taken(batch.len(), waited);
        let (mut messages, mut tickets, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for Incoming { content, ticket, .. } in batch {
            match content {
                Ok(message) => {
                    messages.push(message);
                    tickets.push(ticket);
                }
                Err(dead) => unreadable.push((*dead, ticket)),
            }
        }
        self.tally.answered(0, unreadable.len());
        settle::bury(&self.db, &traits, unreadable).await;
        if messages.is_empty() {
            return;
        }
        let span = span(&traits, &messages);
        fail::fail_point!("job.delivered");
        let answered = self.attempt(messages, tickets).instrument(span.clone()).await;
        fail::fail_point!("job.done");
        settle::settle(&self.db, &self.marks, &traits, answered).instrument(span).await;
    }

    async fn attempt(&self, messages: Vec<Message>, tickets: Vec<Ticket>) -> Vec<Answered> {
        let started = Instant::now();
        let results = self.job.attempt(&self.context, &messages).await;
        let queue = self.job.traits().queue;
        metrics::histogram!("quittance_job_seconds", "queue" => queue).record(started.elapsed());
        let ended = |result: &&JobResult| !matches!(result, Err(JobError::Snooze(_)));
        let done = results.iter().filter(|result| result.is_ok()).count();
        self.tally.answered(done, results.iter().filter(ended).count() - done);
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
