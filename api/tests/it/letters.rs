//! Real dead letters for the tests of their doors: jobs that give up until the weather is fair.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use entities::PaymentId;
use fixtures::TestDatabase;
use payments::jobs::OpenDeal;
use queue::{
    Database, Delivery, Foreseer, Foresight, Job, JobError, JobResult, NewMessage, Payload, Registry, Relay, Runner,
    Subject,
    dead_letters::{self, DeadLetter, Filter, Page},
    redrive::Conductor,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the jobs depend on.
#[derive(Default)]
pub(crate) struct Weather(AtomicBool);

impl Weather {
    pub(crate) fn clear(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A job of tests, in the queue where deals are opened.
struct Opener;

impl Job<Weather> for Opener {
    type Payload = OpenDeal;

    async fn run(weather: &Weather, delivery: Delivery<OpenDeal>) -> JobResult {
        let doomed = delivery.headers.contains_key("doomed");
        if weather.0.load(Ordering::SeqCst) && !doomed {
            return Ok(());
        }
        let message = format!("the node answered 503 about {}", delivery.payload.payment_id);
        Err(JobError::DeadLetter { code: "node_down", message })
    }

    async fn foresee(weather: &Weather, deliveries: &[Delivery<OpenDeal>]) -> anyhow::Result<Vec<Foresight>> {
        let fair = weather.0.load(Ordering::SeqCst);
        let foresee = |delivery: &Delivery<OpenDeal>| match fair && !delivery.headers.contains_key("doomed") {
            true => Foresight::would_resume("the deal is asked for"),
            false => Foresight::would_fail_again("the node is down"),
        };
        Ok(deliveries.iter().map(foresee).collect())
    }
}

/// What the jobs of tests would do.
pub(crate) fn foreseer(weather: &Arc<Weather>) -> Foreseer {
    Registry::new().register::<Opener>().foreseer(Arc::clone(weather))
}

/// In the queue of openings, but no opening.
#[derive(Serialize, Deserialize)]
struct Garbled {
    payment: u32,
}

impl Payload for Garbled {
    const TYPE: &'static str = "open_deal";
    const QUEUE: &'static str = "open_deal.v1";

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// A message about a payment of this node that dies unless the weather is fair.
pub(crate) fn opening(node: impl ToString) -> NewMessage {
    let payment_id = PaymentId(Uuid::now_v7());
    let message = NewMessage::of(&OpenDeal { payment_id }).header("payment_id", payment_id.to_string());
    message.header("node_id", node.to_string())
}

/// A message that no job can read, about nobody.
pub(crate) fn garbled() -> NewMessage {
    NewMessage::of(&Garbled { payment: 17 })
}

/// A process that works these jobs and conducts redrives; ends with the test.
pub(crate) struct Worker {
    db: Database,
    stop: CancellationToken,
}

impl Worker {
    pub(crate) async fn start(database: &TestDatabase, weather: &Arc<Weather>) -> Self {
        let (db, committed) = Database::connect(&database.config).await.unwrap();
        let broker = queue::broker::open(&queue::BrokerConfig::default(), &db).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(Relay::new(db.clone(), committed, Arc::clone(&broker)).run(stop.clone()));
        let registry = Registry::new().register::<Opener>();
        tokio::spawn(Runner::new(db.clone(), broker, registry, Arc::clone(weather)).run(stop.clone()));
        tokio::spawn(Conductor::new(db.clone()).run(stop.clone()));
        Self { db, stop }
    }

    /// Lets these messages die, and returns all letters, the oldest first.
    pub(crate) async fn kill(&self, messages: Vec<NewMessage>) -> Vec<DeadLetter> {
        let wanted = self.letters().await.len() + messages.len();
        let mut tx = self.db.begin().await.unwrap();
        tx.enqueue(messages).await.unwrap();
        tx.commit().await.unwrap();
        until("the messages die", async || self.letters().await.len() == wanted).await;
        self.letters().await
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        let all = Page { after: None, limit: 500 };
        let mut letters = dead_letters::list(&self.db, &Filter::default(), all).await.unwrap();
        letters.reverse();
        letters
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < patience, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
