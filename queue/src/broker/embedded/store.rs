//! What the embedded broker has in hand.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};
use uuid::Uuid;

use crate::{
    broker::{Acked, Publication},
    message::Message,
    outbox::claim::SWEEP,
};

/// Messages that may wait in memory for one queue's consumers; the rest waits in the table.
const ROOM: usize = 5_000;

#[derive(Default)]
pub(super) struct QueueStore {
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Default)]
struct State {
    queues: HashMap<String, Queue>,
    /// Everything whose row is under our claim, waiting or in work, with the time of the claim. What is in here is not
    /// taken a second time, whatever a sweep brings.
    held: HashMap<Uuid, Instant>,
    settled: Settled,
}

#[derive(Default)]
struct Queue {
    /// Messages with the time when each was put here.
    waiting: VecDeque<(Instant, Message)>,
    consumers: usize,
    arrived: Arc<Notify>,
}

/// Rows whose end is still to be written to the table.
#[derive(Default)]
pub(super) struct Settled {
    /// Rows that were acknowledged and are to be deleted.
    pub(super) finished: Vec<Uuid>,
    /// Rows that were given back: due at once for any process.
    pub(super) released: Vec<Uuid>,
}

impl QueueStore {
    /// Takes what there are consumers and room for. `decided` names the messages that need neither.
    pub(super) fn offer(
        &self,
        messages: Vec<Message>,
        decided: impl Fn(&Message) -> Option<Publication>,
    ) -> Vec<Publication> {
        let mut state = self.state();
        let offered = messages.into_iter().map(|message| match decided(&message) {
            Some(publication) => publication,
            None => state.offer(message),
        });
        offered.collect()
    }

    pub(super) fn open(&self, queue: &str) {
        self.state().queues.entry(queue.to_owned()).or_default().consumers += 1;
    }

    /// A consumer has gone; with the last one of a queue goes what waited for it.
    pub(super) fn close(&self, queue: &str) {
        let mut state = self.state();
        let Some(closed) = state.queues.get_mut(queue) else { return };
        closed.consumers = closed.consumers.saturating_sub(1);
        if closed.consumers == 0 {
            let waiting: Vec<_> = closed.waiting.drain(..).map(|(_, message)| message.id).collect();
            for id in waiting {
                state.release(id);
            }
            self.settled.notify_one();
        }
    }

    /// Queues that have a consumer here, and room for a whole sweep.
    pub(super) fn roomy_queues(&self) -> Vec<String> {
        let sweep = usize::try_from(SWEEP).unwrap_or(usize::MAX);
        let state = self.state();
        let roomy = state.queues.iter().filter(|(_, queue)| queue.consumers > 0 && queue.waiting.len() + sweep <= ROOM);
        roomy.map(|(name, _)| name.clone()).collect()
    }

    /// The next message, and how long it has waited.
    pub(super) async fn next(&self, queue: &str) -> (Duration, Message) {
        loop {
            let arrived = {
                let mut state = self.state();
                let queue = state.queues.entry(queue.to_owned()).or_default();
                if let Some((since, message)) = queue.waiting.pop_front() {
                    if !queue.waiting.is_empty() {
                        queue.arrived.notify_one();
                    }
                    return (since.elapsed(), message);
                }
                Arc::clone(&queue.arrived)
            };
            arrived.notified().await;
        }
    }

    /// Ids whose claim is at least this old; it counts as renewed from now.
    pub(super) fn claims_to_renew(&self, age: Duration) -> Vec<Uuid> {
        let now = Instant::now();
        let mut state = self.state();
        let old = state.held.iter_mut().filter(|(_, claimed_at)| now.duration_since(**claimed_at) >= age);
        old.map(|(id, claimed_at)| {
            *claimed_at = now;
            *id
        })
        .collect()
    }

    /// Waits until there is something to settle.
    pub(super) async fn settled(&self) {
        self.settled.notified().await;
    }

    pub(super) fn take_settled(&self) -> Settled {
        std::mem::take(&mut self.state().settled)
    }

    pub(super) fn put_back(&self, settled: Settled) {
        let mut state = self.state();
        state.settled.finished.extend(settled.finished);
        state.settled.released.extend(settled.released);
        self.settled.notify_one();
    }

    pub(super) fn forget(&self, ids: &[Uuid]) {
        let mut state = self.state();
        for id in ids {
            state.held.remove(id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn offer(&mut self, message: Message) -> Publication {
        let now = Instant::now();
        if let Some(claimed_at) = self.held.get_mut(&message.id) {
            *claimed_at = now;
            return Publication::Held;
        }
        match self.queues.get_mut(&message.queue) {
            Some(queue) if queue.consumers > 0 && queue.waiting.len() < ROOM => {
                self.held.insert(message.id, now);
                queue.waiting.push_back((now, message));
                queue.arrived.notify_one();
                Publication::Held
            }
            _ => Publication::Refused,
        }
    }

    fn release(&mut self, id: Uuid) {
        self.held.remove(&id);
        self.settled.released.push(id);
    }
}

/// Answers one delivery. Dropped without an answer, the row is given back.
pub(in crate::broker) struct EmbeddedAck {
    store: Arc<QueueStore>,
    id: Uuid,
    acked: bool,
    _prefetched: OwnedSemaphorePermit,
}

impl EmbeddedAck {
    pub(super) fn new(store: &Arc<QueueStore>, id: Uuid, prefetched: OwnedSemaphorePermit) -> Self {
        Self { store: Arc::clone(store), id, acked: false, _prefetched: prefetched }
    }

    pub(in crate::broker) fn ack(mut self) -> Acked {
        self.acked = true;
        Acked::Yes
    }
}

impl Drop for EmbeddedAck {
    fn drop(&mut self) {
        let mut state = self.store.state();
        if self.acked {
            state.settled.finished.push(self.id);
        } else {
            state.release(self.id);
        }
        self.store.settled.notify_one();
    }
}

#[cfg(test)]
mod tests;
