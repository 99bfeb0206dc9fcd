//! From the outbox to the broker: at once for what this process commits, by sweeps for everything else.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    broker::{Broker, Publication},
    database::Database,
    handover::CommittedMessages,
    message::Message,
    outbox::{CLAIM, claim, eraser::Eraser},
};

mod sweeper;

/// Commits taken together, while the publication before them was under way.
const COMMITS: usize = 256;

/// What was handed over longer ago than this is left to a sweeper: its claim is about to run out.
const FRESH: Duration = Duration::from_secs(4);

/// How long stopping may take.
const STOP: Duration = Duration::from_secs(5);

/// The outbox relay of this process.
pub struct Relay {
    publisher: OutboxPublisher,
    committed: CommittedMessages,
}

/// What both ways to the broker share.
#[derive(Clone)]
struct OutboxPublisher {
    db: Database,
    broker: Arc<dyn Broker>,
}

impl Relay {
    /// `committed` comes with the database's connection.
    #[must_use]
    pub fn new(db: Database, committed: CommittedMessages, broker: Arc<dyn Broker>) -> Self {
        Self { publisher: OutboxPublisher { db, broker }, committed }
    }

    /// Runs until cancelled, which should be after everything that commits has ended: what is handed over by then is
    /// still published.
    pub async fn run(self, cancellation: CancellationToken) {
        let Self { publisher, mut committed } = self;
        let eraser = Eraser::start(publisher.db.clone());
        let part = publisher.broker.health().part("relay");
        let forward = async {
            cancellation.run_until_cancelled(publisher.forward(&mut committed, &eraser)).await;
            committed.0.close();
            if tokio::time::timeout(STOP, publisher.forward(&mut committed, &eraser)).await.is_err() {
                tracing::warn!("not everything could be published; a sweeper will do it");
            }
        };
        tokio::join!(forward, sweeper::sweep(&publisher, &eraser, &part, &cancellation));
        eraser.finish(STOP).await;
    }
}

impl OutboxPublisher {
    /// Publishes what commits hand over until no more can come.
    async fn forward(&self, committed: &mut CommittedMessages, eraser: &Eraser) {
        let mut commits = Vec::new();
        while committed.0.recv_many(&mut commits, COMMITS).await > 0 {
            // The commits are kept until they are published: they count against the room of the handover.
            commits.retain(|commit| !commit.is_older_than(FRESH));
            let messages = commits.iter_mut().flat_map(|commit| std::mem::take(&mut commit.messages)).collect();
            self.publish(messages, eraser).await;
            commits.clear();
        }
    }

    /// Publishes and cleans up. Returns how many have to be published again.
    async fn publish(&self, messages: Vec<Message>, eraser: &Eraser) -> usize {
        if messages.is_empty() {
            return 0;
        }
        let ids: Vec<Uuid> = messages.iter().map(|message| message.id).collect();
        fail::fail_point!("relay.before_publish");
        let publications = self.broker.publish(messages).await;
        fail::fail_point!("relay.published");
        let with = |wanted: Publication| -> Vec<Uuid> {
            let chosen = ids.iter().zip(&publications).filter(|(_, publication)| **publication == wanted);
            chosen.map(|(id, _)| *id).collect()
        };
        let (confirmed, refused) = (with(Publication::Confirmed), with(Publication::Refused));
        let unknown = with(Publication::Unknown).len();
        count(Publication::Confirmed, confirmed.len());
        count(Publication::Unknown, unknown);
        eraser.erase(confirmed);
        if let Err(error) = claim::release(&self.db, &refused).await {
            // Their claims run out by themselves.
            tracing::warn!(error = &error as &dyn std::error::Error, after = ?CLAIM, "rows stay claimed");
        }
        unknown
    }
}

fn count(publication: Publication, messages: usize) {
    let outcome = match publication {
        Publication::Confirmed => "confirmed",
        Publication::Held => "held",
        Publication::Refused => "refused",
        Publication::Unknown => "unknown",
    };
    let messages = u64::try_from(messages).unwrap_or(u64::MAX);
    metrics::counter!("quittance_published_total", "outcome" => outcome).increment(messages);
}
