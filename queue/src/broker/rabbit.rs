//! RabbitMQ 3.10 or newer, through lapin. Nothing of lapin's own recovery is used: it gives up after a while and does
//! not heal channels. Every connection, channel and consumer is rebuilt from scratch by its user.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::options::QueueDeclareOptions;
use secrecy::ExposeSecret;

use super::{Broker, BrokerConfig, BrokerError, Consumer, Intake, Publication};
use crate::{health::Health, message::Message};

mod connection;
mod publisher;
mod subscription;
mod topology;
pub(crate) mod wire;

use connection::{SharedConnection, within};
use publisher::Publisher;
pub(super) use subscription::RabbitAck;
use subscription::{ConsumedQueue, Subscription};
use topology::Topology;

pub struct RabbitBroker {
    publisher: Publisher,
    /// Apart from the publisher's: under an alarm the broker blocks connections that publish.
    consumers: Arc<SharedConnection>,
    topology: Arc<Topology>,
    health: Health,
}

impl RabbitBroker {
    /// Connects when it is first used.
    ///
    /// # Errors
    /// The URL is not one of AMQP, or the file with authorities cannot be used; a restart does not help.
    pub fn new(config: &BrokerConfig) -> Result<Self, BrokerError> {
        let health = Health::default();
        let url = config.url.expose_secret();
        let authorities = config.authorities()?;
        let connection =
            |name: &str| SharedConnection::new(name, url, authorities.clone(), config.timeout(), health.clone());
        let topology = Arc::new(Topology::new(&config.prefix));
        let publisher =
            Publisher::new(connection("publisher")?, Arc::clone(&topology), config, health.part("publishing"));
        Ok(Self { publisher, consumers: Arc::new(connection("consumers")?), topology, health })
    }

    fn subscribe(&self, source: ConsumedQueue, prefetch: u16) -> Consumer {
        let (consumer, end) = Consumer::new(prefetch);
        let part = self.health.part(format!("consumer {}", source.name()));
        let (connection, topology) = (Arc::clone(&self.consumers), Arc::clone(&self.topology));
        tokio::spawn(Subscription { connection, topology, source, prefetch, end, part }.supervise());
        consumer
    }
}

#[async_trait]
impl Broker for RabbitBroker {
    async fn intake(&self) -> Intake {
        if self.publisher.is_ready().await { Intake::Everything } else { Intake::Nothing }
    }

    async fn publish(&self, messages: Vec<Message>) -> Vec<Publication> {
        self.publisher.publish(&messages).await
    }

    fn consume(&self, queue: &str, prefetch: u16) -> Consumer {
        self.subscribe(ConsumedQueue::Jobs(queue.to_owned()), prefetch)
    }

    fn consume_dead(&self, prefetch: u16) -> Option<Consumer> {
        Some(self.subscribe(ConsumedQueue::Dead, prefetch))
    }

    async fn depth(&self, queue: &str) -> Result<u64, BrokerError> {
        let channel = self.consumers.channel().await?;
        // Asking for a queue that nobody has made yet would end the channel.
        self.topology.declare_base(&channel, self.consumers.timeout).await?;
        self.topology.declare_queue(&channel, self.consumers.timeout, queue).await?;
        let ask = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = self.topology.queue(queue);
        let answer = channel.queue_declare(name.into(), ask, lapin::types::FieldTable::default());
        let depth = within(self.consumers.timeout, "asking for a queue's depth", answer).await?.message_count();
        // One that is only dropped would still be closing when the connection ends, and lapin would log that as an
        // error.
        let _ = within(self.consumers.timeout, "closing a channel", channel.close(200, "bye".into())).await;
        Ok(u64::from(depth))
    }

    fn health(&self) -> &Health {
        &self.health
    }

    async fn close(&self) {
        self.publisher.connection.close().await;
        self.consumers.close().await;
    }
}
