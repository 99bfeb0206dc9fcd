//! What carries messages from the outbox to the jobs: one trait, an embedded implementation and RabbitMQ.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{database::Database, dead_letters::DeadMessage, health::Health, message::Message};

mod embedded;
pub(crate) mod rabbit;

pub use embedded::EmbeddedBroker;
pub use rabbit::RabbitBroker;

/// Deliveries of one message that may end without an acknowledgement before it is a dead letter: a net for messages
/// that end the process, while the attempts of jobs are counted by us.
pub(crate) const DELIVERY_LIMIT: u32 = 20;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerConfig {
    /// `embedded`, or `amqp://user:password@host:5672/vhost` (`amqps` for TLS; `%2f` is the default vhost).
    pub url: SecretString,
    /// Certificates of authorities (PEM) that a broker with TLS may have its own from, besides those that the system
    /// trusts, or that `SSL_CERT_FILE` names in their place.
    pub ca_file: Option<PathBuf>,
    /// What the names of all exchanges and queues start with, so that installations can share a vhost.
    pub prefix: String,
    /// Messages published before their confirms are waited for, 1 to 1,000.
    pub publish_window: usize,
    /// Deadline of every call to the broker, and of the confirms of one window, milliseconds.
    pub timeout_ms: u64,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            url: SecretString::from("embedded"),
            ca_file: None,
            prefix: "quittance".to_owned(),
            publish_window: 500,
            timeout_ms: 10_000,
        }
    }
}

impl BrokerConfig {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The text of the file with authorities.
    fn authorities(&self) -> Result<Option<String>, BrokerError> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        let wrong = |what: String| BrokerError::Configuration(format!("ca_file {}: {what}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        if text.contains("-----BEGIN CERTIFICATE-----") {
            Ok(Some(text))
        } else {
            Err(wrong("there is no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)".to_owned()))
        }
    }
}

/// Why a broker cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The configuration is wrong; restarting will not help.
    #[error("broker configuration: {0}")]
    Configuration(String),
    /// The broker did not answer in time; what was asked may have happened.
    #[error("{0} did not finish in time")]
    Timeout(&'static str),
    /// A queue or exchange exists with other arguments than ours.
    #[error("{name} exists with other arguments ({stored}); wanted: {wanted}; delete it or use another prefix")]
    Mismatch {
        name: String,
        /// The arguments of the one that exists, in the broker's words.
        stored: String,
        /// The arguments with which we declare it.
        wanted: String,
    },
    /// There is no connection, and the time for the next attempt has not come.
    #[error("not connected to the broker")]
    Disconnected,
    /// The broker is short of memory or disk and takes no messages until that is over.
    #[error("the broker blocks publishers (an alarm of its memory or disk; see `rabbitmq-diagnostics alarms`)")]
    Blocked,
    /// The broker ended the subscription, because its queue was deleted or moved.
    #[error("the broker ended the subscription")]
    Unsubscribed,
    /// Any other error of the connection or the protocol.
    #[error("AMQP: {0}")]
    Amqp(#[from] lapin::Error),
    /// The database behind the embedded broker.
    #[error("database: {0}")]
    Database(#[from] sea_orm::DbErr),
}

/// Prepares the configured broker. RabbitMQ need not be up: connections are made, and made again, as they are needed.
///
/// # Errors
/// The configuration is wrong; a restart does not help.
pub fn open(config: &BrokerConfig, db: &Database) -> Result<Arc<dyn Broker>, BrokerError> {
    if !(1..=1_000).contains(&config.publish_window) {
        return Err(BrokerError::Configuration("publish_window must be 1 to 1000".to_owned()));
    }
    if config.url.expose_secret() == "embedded" {
        return Ok(Arc::new(EmbeddedBroker::new(db)));
    }
    Ok(Arc::new(RabbitBroker::new(config)?))
}

/// A carrier of messages. Delivery is at least once: a job may see a message again, with the same `message_id`.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Which due rows a sweeper should claim for this broker now. Also the moment to restore a lost connection.
    async fn intake(&self) -> Intake;

    /// Takes messages and says for each, in order, what became of it.
    async fn publish(&self, messages: Vec<Message>) -> Vec<Publication>;

    /// Starts delivering a queue's messages, at most `prefetch` unacknowledged at a time. The consumer restores itself
    /// after any failure; its stream ends only when it is stopped.
    fn consume(&self, queue: &str, prefetch: u16) -> Consumer;

    /// Starts delivering what the broker itself dead-lettered; `None` for a broker that never does.
    fn consume_dead(&self, prefetch: u16) -> Option<Consumer>;

    /// Messages that wait for a consumer.
    ///
    /// # Errors
    /// The broker did not answer in time.
    async fn depth(&self, queue: &str) -> Result<u64, BrokerError>;

    /// The board of this process's parts, the broker's own connections included.
    fn health(&self) -> &Health;

    /// Finishes what can be finished in time and closes the connections. Consumers must have been stopped before.
    async fn close(&self);
}

/// Which due rows a broker wants to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// The broker is away or full.
    Nothing,
    /// Rows of these queues.
    Queues(Vec<String>),
    /// Rows of every queue.
    Everything,
}

/// What became of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The broker has it for good; its row can go.
    Confirmed,
    /// It is in hand, but its row remains the only durable copy and is deleted by the broker.
    Held,
    /// Not taken; any other process may have it at once.
    Refused,
    /// Lost, refused or taken, nobody knows: it is published again, with the same id, when its claim has run out.
    Unknown,
}

/// A running subscription. Dropping it ends it: what was delivered and not acknowledged comes again.
pub struct Consumer {
    incoming: mpsc::Receiver<Incoming>,
    stop: CancellationToken,
    _closed: DropGuard,
}

/// A consumer's other end, held by its broker.
pub(crate) struct ConsumerEnd {
    pub(crate) incoming: mpsc::Sender<Incoming>,
    /// No more deliveries are wanted, but acknowledgements still are.
    pub(crate) stop: CancellationToken,
    /// The consumer was dropped, so that nobody can acknowledge any more.
    pub(crate) closed: CancellationToken,
}

impl Consumer {
    pub(crate) fn new(prefetch: u16) -> (Self, ConsumerEnd) {
        let (sender, incoming) = mpsc::channel(usize::from(prefetch.max(1)));
        let (stop, closed) = (CancellationToken::new(), CancellationToken::new());
        let end = ConsumerEnd { incoming: sender, stop: stop.clone(), closed: closed.clone() };
        (Self { incoming, stop, _closed: closed.drop_guard() }, end)
    }

    /// The next delivery; `None` after [`Self::stop`], once all that had arrived are taken.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// A delivery that is already waiting.
    pub fn try_next(&mut self) -> Option<Incoming> {
        self.incoming.try_recv().ok()
    }

    /// Asks for no more deliveries; those out can still be acknowledged.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// A delivery that is not yet acknowledged. Dropped without an answer, it comes again.
pub struct Incoming {
    /// What was delivered, as far as it can be read.
    pub content: Result<Message, Box<DeadMessage>>,
    /// How long it had waited at the broker; zero where that is not known.
    pub waited: Duration,
    pub(crate) ack_handle: AckHandle,
}

/// The means to answer a delivery.
pub struct AckHandle(AckTarget);

enum AckTarget {
    /// Nothing to acknowledge: the caller deletes the row itself.
    None,
    Embedded(embedded::EmbeddedAck),
    Rabbit(rabbit::RabbitAck),
}

/// Whether an acknowledgement arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// The message will not come again.
    Yes,
    /// It went to a connection that is gone, or nobody knows: the message will probably come again.
    RedeliveryToCome,
}

impl AckHandle {
    pub(crate) fn none() -> Self {
        Self(AckTarget::None)
    }

    /// Acknowledges: the job has ended, and the broker forgets the message.
    pub async fn ack(self) -> Acked {
        match self.0 {
            AckTarget::None => Acked::Yes,
            AckTarget::Embedded(ack) => ack.ack(),
            AckTarget::Rabbit(ack) => ack.ack().await,
        }
    }

    /// The message was not processed: it may be given to somebody else at once, and this does not count as a failure.
    pub async fn release(self) {
        match self.0 {
            AckTarget::None => {}
            AckTarget::Embedded(ack) => drop(ack),
            AckTarget::Rabbit(ack) => ack.release().await,
        }
    }
}
