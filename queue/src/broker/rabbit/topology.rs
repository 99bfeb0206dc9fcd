//! Exchanges and queues. Every publisher and consumer declares what it uses, so that it exists after any loss.

use std::time::Duration;

use lapin::{
    Channel, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::connection::within;
use crate::broker::{BrokerError, DELIVERY_LIMIT};

/// Deliveries before the broker drops a dead letter, which must never happen: there is no further place for it to go.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000;

pub(super) struct Topology {
    prefix: String,
    pub(super) jobs: String,
    pub(super) events: String,
    pub(super) dead: String,
}

impl Topology {
    pub(super) fn new(prefix: &str) -> Self {
        let named = |name: &str| format!("{prefix}.{name}");
        Self { prefix: prefix.to_owned(), jobs: named("jobs"), events: named("events"), dead: named("dead") }
    }

    /// The broker's name for one of our queues.
    pub(super) fn queue(&self, queue: &str) -> String {
        format!("{}.{queue}", self.prefix)
    }

    /// The exchanges, and the queue of dead letters: without it the others could not let go of a message.
    pub(super) async fn declare_base(&self, channel: &Channel, timeout: Duration) -> Result<(), BrokerError> {
        let exchanges = [
            (&self.jobs, ExchangeKind::Direct),
            (&self.events, ExchangeKind::Topic),
            (&self.dead, ExchangeKind::Fanout),
        ];
        for (name, kind) in exchanges {
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let wanted = format!("durable, type {}", kind_name(&kind));
            let declare = channel.exchange_declare(name.as_str().into(), kind, durable, FieldTable::default());
            let declared = within(timeout, "declaring an exchange", declare).await;
            declared.map_err(|error| explained(error, name, &wanted))?;
        }
        self.declare(channel, timeout, &self.dead, &dead_arguments()).await?;
        self.bind(channel, timeout, &self.dead, &self.dead, "").await
    }

    /// A queue of jobs with its binding.
    pub(super) async fn declare_queue(
        &self,
        channel: &Channel,
        timeout: Duration,
        queue: &str,
    ) -> Result<(), BrokerError> {
        let name = self.queue(queue);
        self.declare(channel, timeout, &name, &self.job_arguments()).await?;
        self.bind(channel, timeout, &name, &self.jobs, queue).await
    }

    /// Changing any of these needs new queue names (`.v2`): RabbitMQ refuses to redeclare a queue with others.
    fn job_arguments(&self) -> Vec<(&'static str, AMQPValue)> {
        vec![
            ("x-queue-type", text("quorum")),
            ("x-dead-letter-exchange", text(&self.dead)),
            // At least once works only together with rejecting: an overflow that drops would lose letters.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-delivery-limit", AMQPValue::LongLongInt(i64::from(DELIVERY_LIMIT))),
        ]
    }

    async fn declare(
        &self,
        channel: &Channel,
        timeout: Duration,
        name: &str,
        arguments: &[(&'static str, AMQPValue)],
    ) -> Result<(), BrokerError> {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let mut table = FieldTable::default();
        for (argument, value) in arguments {
            table.insert((*argument).into(), value.clone());
        }
        let declare = channel.queue_declare(name.into(), durable, table);
        let declared = within(timeout, "declaring a queue", declare).await;
        declared.map(drop).map_err(|error| explained(error, name, &shown(arguments)))
    }

    async fn bind(
        &self,
        channel: &Channel,
        timeout: Duration,
        queue: &str,
        exchange: &str,
        key: &str,
    ) -> Result<(), BrokerError> {
        let (queue, exchange, key) = (queue.into(), exchange.into(), key.into());
        let bind = channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default());
        within(timeout, "binding a queue", bind).await
    }
}

fn dead_arguments() -> Vec<(&'static str, AMQPValue)> {
    vec![("x-queue-type", text("quorum")), ("x-delivery-limit", AMQPValue::LongLongInt(DEAD_DELIVERY_LIMIT))]
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn kind_name(kind: &ExchangeKind) -> &str {
    match kind {
        ExchangeKind::Direct => "direct",
        ExchangeKind::Fanout => "fanout",
        ExchangeKind::Headers => "headers",
        ExchangeKind::Topic => "topic",
        ExchangeKind::Custom(name) => name,
    }
}

fn shown(arguments: &[(&'static str, AMQPValue)]) -> String {
    let shown = arguments.iter().map(|(name, value)| match value {
        AMQPValue::LongString(text) => format!("{name}={text}"),
        AMQPValue::LongLongInt(number) => format!("{name}={number}"),
        other => format!("{name}={other:?}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// AMQP cannot list the stored arguments, but a refusal (406) names the first that differs, with its stored value.
fn explained(error: BrokerError, name: &str, wanted: &str) -> BrokerError {
    let BrokerError::Amqp(amqp) = &error else { return error };
    match amqp.kind() {
        ErrorKind::ProtocolError(refusal) if refusal.get_id() == 406 => BrokerError::Mismatch {
            name: name.to_owned(),
            stored: refusal.get_message().to_string(),
            wanted: wanted.to_owned(),
        },
        _ => error,
    }
}
