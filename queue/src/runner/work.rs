//! From deliveries to their acknowledgement.

use std::{sync::Arc, time::Instant};

use tracing::Instrument as _;

use super::settle::{self, Answered};
use crate::{
    broker::{Incoming, Ticket},
    database::Database,
    message::Message,
    registry::{AnyJob, Traits},
};

/// A job with all it needs.
pub(super) struct Work<C> {
    pub(super) db: Database,
    pub(super) job: Arc<dyn AnyJob<C>>,
    pub(super) context: Arc<C>,
}

impl<C: Send + Sync + 'static> Work<C> {
    /// Runs the job over what was delivered, settles what became of it, and acknowledges.
    pub(super) async fn work(&self, batch: Vec<Incoming>) {
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
