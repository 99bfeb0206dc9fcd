//! The in-process broker. Its durable store is the outbox itself: a message waits and is worked on in memory while its
//! row stays in the table under a claim that is renewed, and the row is deleted when the job has acknowledged.
//!
//! Several processes may use it over one database: each takes only rows of queues that it consumes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tokio::{
    sync::{Mutex, Semaphore},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    AckHandle, AckTarget, Broker, BrokerError, Consumer, ConsumerEnd, DELIVERY_LIMIT, Incoming, Intake, Publication,
};
use crate::{
    backoff::Pauses,
    database::Database,
    dead_letters::DeadMessage,
    health::{Health, PartHandle},
    message::{EVENTS, Message},
    outbox::{self, Backlog, CLAIM, claim},
};

mod store;

pub(super) use store::EmbeddedAck;
use store::{QueueStore, Settled};

/// How long closing may take to delete finished rows.
const CLOSE: Duration = Duration::from_secs(5);

pub struct EmbeddedBroker {
    db: Database,
    store: Arc<QueueStore>,
    tending: Mutex<JoinHandle<()>>,
    stop: CancellationToken,
    health: Health,
    _part: PartHandle,
}

impl EmbeddedBroker {
    /// Starts with nothing in hand; the sweeper brings what the table holds. Must be called within a Tokio runtime.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        let store = Arc::<QueueStore>::default();
        let stop = CancellationToken::new();
        let tending = Mutex::new(tokio::spawn(tend(db.clone(), Arc::clone(&store), stop.clone())));
        let health = Health::default();
        let part = health.part("embedded broker");
        part.up();
        Self { db: db.clone(), store, tending, stop, health, _part: part }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.tending.get_mut().abort();
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    async fn intake(&self) -> Intake {
        // Events have no listener in the process; taking them is what deletes their rows.
        let mut queues = self.store.roomy_queues();
        queues.push(EVENTS.to_owned());
        Intake::Queues(queues)
    }

    async fn publish(&self, messages: Vec<Message>) -> Vec<Publication> {
        let event = |message: &Message| message.queue == EVENTS;
        self.store.offer(messages, |message| event(message).then_some(Publication::Confirmed))
    }

    fn consume(&self, queue: &str, prefetch: u16) -> Consumer {
        let (consumer, end) = Consumer::new(prefetch);
        self.store.open(queue);
        tokio::spawn(deliver(Arc::clone(&self.store), queue.to_owned(), prefetch, end));
        consumer
    }

    fn consume_dead(&self, _prefetch: u16) -> Option<Consumer> {
        None
    }

    async fn depth(&self, queue: &str) -> Result<u64, BrokerError> {
        let of_queue = outbox::Entity::find().filter(outbox::Column::Queue.eq(queue));
        Ok(of_queue.limit(Backlog::COUNTED).count(&*self.db).await?)
    }

    fn health(&self) -> &Health {
        &self.health
    }

    async fn close(&self) {
        self.stop.cancel();
        let mut tending = self.tending.lock().await;
        if !tending.is_finished() && tokio::time::timeout(CLOSE, &mut *tending).await.is_err() {
            tracing::warn!("finished rows could not be deleted in time; they will come again");
        }
    }
}

/// Moves messages from the shelf to a consumer while it has fewer than `prefetch` unacknowledged.
async fn deliver(store: Arc<QueueStore>, queue: String, prefetch: u16, end: ConsumerEnd) {
    let prefetched = Arc::new(Semaphore::new(usize::from(prefetch.max(1))));
    let feed = async {
        while let Ok(permit) = Arc::clone(&prefetched).acquire_owned().await {
            let (waited, message) = store.next(&queue).await;
            let ack_handle = AckHandle(AckTarget::Embedded(EmbeddedAck::new(&store, message.id, permit)));
            let incoming = Incoming { content: within_limit(message), waited, ack_handle };
            if end.incoming.send(incoming).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = feed => {}
        () = end.stop.cancelled() => {}
        () = end.closed.cancelled() => {}
    }
    store.close(&queue);
}

/// A message that was taken up so often without an end has probably ended the process each time.
fn within_limit(message: Message) -> Result<Message, Box<DeadMessage>> {
    if message.claims <= DELIVERY_LIMIT {
        return Ok(message);
    }
    Err(Box::new(DeadMessage::broker(message, "delivery_limit", "delivered too often without being acknowledged")))
}

/// Deletes what is done, gives back what was let go, and keeps claiming what is in hand.
async fn tend(db: Database, store: Arc<QueueStore>, stop: CancellationToken) {
    let mut renewals = tokio::time::interval(CLAIM / 5);
    renewals.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let done = tokio::select! {
            () = store.settled() => settle(&db, &store).await,
            _ = renewals.tick() => claim::renew(&db, &store.claims_to_renew(CLAIM * 2 / 5)).await,
            () = stop.cancelled() => match settle(&db, &store).await {
                Ok(()) => return,
                error => error,
            },
        };
        match done {
            Ok(()) => pauses.reset(),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot tend the outbox");
                tokio::time::sleep(pauses.next()).await;
            }
        }
    }
}

/// While a deletion is under way, the next batch gathers. An id is forgotten only once its row is gone, so that a sweep
/// in between cannot bring it back.
async fn settle(db: &Database, store: &QueueStore) -> Result<(), sea_orm::DbErr> {
    let Settled { finished, released } = store.take_settled();
    if !finished.is_empty() {
        fail::fail_point!("shelf.acknowledged");
    }
    let done = async {
        claim::erase(db, &finished).await?;
        claim::release(db, &released).await
    };
    let result = done.await;
    match &result {
        Ok(()) => store.forget(&finished),
        Err(_) => store.put_back(Settled { finished, released }),
    }
    result
}
