//! Running what is due without a broker, in the caller's own time: for tests, and for tools that must not leave anything
//! behind.

use std::{sync::Arc, time::Duration};

use sea_orm::DbErr;

use super::{Runner, work::Work};
use crate::{
    broker::{AckHandle, Incoming, Intake},
    message::{EVENTS, Message},
    outbox::claim,
    reports::LaneCounters,
};

impl<C: Send + Sync + 'static> Runner<C> {
    /// Runs every message of the registered queues that is due, and those which these enqueue, one after the other, until
    /// none is left; returns how many ran. What is scheduled for later, retries included, stays. Neither relay nor
    /// broker takes part; drop the database's [`crate::CommittedMessages`], or what was just enqueued counts as in the
    /// relay's hands and is not due yet.
    pub async fn run_due(&self) -> Result<usize, DbErr> {
        let mut queues: Vec<String> = self.jobs.iter().map(|job| job.traits().queue.to_owned()).collect();
        queues.push(EVENTS.to_owned());
        let intake = Intake::Queues(queues);
        let mut ran = 0;
        loop {
            let due = claim::claim(&self.db, &intake).await?;
            if due.is_empty() {
                return Ok(ran);
            }
            for message in due {
                let id = message.id;
                ran += usize::from(self.run_one(message).await);
                claim::erase(&self.db, &[id]).await?;
            }
        }
    }

    /// Tells whether there was a job for it; an event has none.
    async fn run_one(&self, message: Message) -> bool {
        let Some(job) = self.jobs.iter().find(|job| job.traits().queue == message.queue) else { return false };
        let work = Work {
            db: self.db.clone(),
            job: job.clone(),
            context: self.context.clone(),
            counters: LaneCounters::default(),
            marks: Arc::clone(&self.marks),
        };
        work.work(vec![Incoming { content: Ok(message), waited: Duration::ZERO, ack_handle: AckHandle::none() }]).await;
        true
    }
}
