//! One consumed queue: its own channel, its own supervisor.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};

use super::{
    connection::{SharedConnection, within},
    topology::Topology,
    wire,
};
use crate::{
    backoff::Pauses,
    broker::{AckHandle, AckTarget, Acked, BrokerError, ConsumerEnd, Incoming},
    health::PartHandle,
    log_throttle::LogThrottle,
};

/// After so long without a delivery, and with none to be answered, the subscription is made anew on another channel.
/// RabbitMQ does not always say when one has ended: a channel that consumed a quorum queue which was deleted and
/// declared again gets nothing from it, for ever, not even when it subscribes again (seen with 3.10).
const IDLE: Duration = Duration::from_secs(10);

/// Consumer tag; it need only be unique within its channel.
const TAG: &str = "quittance";

pub(super) enum ConsumedQueue {
    Jobs(String),
    Dead,
}

impl ConsumedQueue {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Jobs(queue) => queue,
            Self::Dead => "dead letters",
        }
    }
}

pub(super) struct Subscription {
    pub(super) connection: Arc<SharedConnection>,
    pub(super) topology: Arc<Topology>,
    pub(super) source: ConsumedQueue,
    pub(super) prefetch: u16,
    pub(super) end: ConsumerEnd,
    pub(super) part: PartHandle,
}

/// Why a subscription ended without an error.
enum EndReason {
    /// The consumer was stopped or dropped.
    Stopped,
    /// Nothing was delivered for [`IDLE`].
    Idle,
}

impl Subscription {
    /// Consumes until it is stopped or nobody listens, and starts from scratch after whatever goes wrong.
    pub(super) async fn supervise(self) {
        let (mut pauses, throttle) =
            (Pauses::new(Duration::from_millis(200), Duration::from_secs(5)), LogThrottle::default());
        loop {
            let error = tokio::select! {
                ended = self.consume(&mut pauses) => match ended {
                    Ok(EndReason::Idle) => continue,
                    Ok(EndReason::Stopped) => return,
                    Err(error) => error,
                },
                () = self.end.closed.cancelled() => return,
            };
            let pause = pauses.next();
            let queue = self.source.name();
            if self.connection.is_connected().await && throttle.should_log(&error) {
                tracing::warn!(queue, error = %error, "not consuming; trying again");
            } else {
                tracing::debug!(queue, error = %error, again_in = ?pause, "not consuming");
            }
            self.part.down(&error);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.end.stop.cancelled() => return,
            }
        }
    }

    /// The channel outlives this call for as long as there are deliveries of it to be answered.
    async fn consume(&self, pauses: &mut Pauses) -> Result<EndReason, BrokerError> {
        let timeout = self.connection.timeout;
        let channel = Arc::new(self.connection.channel().await?);
        let queue = self.declare(&channel).await?;
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions::default());
        within(timeout, "setting the prefetch", qos).await?;
        let consume =
            channel.basic_consume(queue.into(), TAG.into(), BasicConsumeOptions::default(), FieldTable::default());
        let mut deliveries = within(timeout, "consuming", consume).await?;
        self.part.up();
        pauses.reset();
        let ended = loop {
            tokio::select! {
                biased;
                () = self.end.stop.cancelled() => break EndReason::Stopped,
                delivery = deliveries.next() => {
                    // The stream ends without an error when the broker cancels the consumer.
                    let delivery = delivery.ok_or(BrokerError::Unsubscribed)??;
                    if self.end.incoming.send(self.read(delivery, &channel)).await.is_err() {
                        return Ok(EndReason::Stopped);
                    }
                }
                () = tokio::time::sleep(IDLE) => {
                    if Arc::strong_count(&channel) == 1 {
                        break EndReason::Idle;
                    }
                }
            }
        };
        let cancel = channel.basic_cancel(TAG.into(), BasicCancelOptions::default());
        within(timeout, "cancelling the consumer", cancel).await?;
        // What arrived in between was not processed.
        while let Some(Ok(delivery)) = deliveries.next().await {
            self.read(delivery, &channel).ack_handle.release().await;
        }
        Ok(ended)
    }

    async fn declare(&self, channel: &Channel) -> Result<String, BrokerError> {
        let timeout = self.connection.timeout;
        self.topology.declare_base(channel, timeout).await?;
        match &self.source {
            ConsumedQueue::Jobs(queue) => {
                self.topology.declare_queue(channel, timeout, queue).await?;
                Ok(self.topology.queue(queue))
            }
            ConsumedQueue::Dead => Ok(self.topology.dead.clone()),
        }
    }

    fn read(&self, delivery: lapin::message::Delivery, channel: &Arc<Channel>) -> Incoming {
        let waited = wire::waited(&delivery.properties);
        let (content, acker) = match &self.source {
            ConsumedQueue::Jobs(queue) => wire::read(queue, delivery),
            ConsumedQueue::Dead => {
                let (dead, acker) = wire::read_dead(delivery);
                (Err(Box::new(dead)), acker)
            }
        };
        let ack = RabbitAck { acker, timeout: self.connection.timeout, _channel: Arc::clone(channel) };
        Incoming { content, waited, ack_handle: AckHandle(AckTarget::Rabbit(ack)) }
    }
}

/// Answers one delivery. Without an answer it comes again when its channel closes, with the last of its answers.
pub(in crate::broker) struct RabbitAck {
    acker: lapin::Acker,
    timeout: Duration,
    _channel: Arc<Channel>,
}

impl RabbitAck {
    pub(in crate::broker) async fn ack(self) -> Acked {
        let ack = self.acker.ack(BasicAckOptions::default());
        match within(self.timeout, "acknowledging", ack).await {
            Ok(true) => Acked::Yes,
            // `false`: the channel that delivered this is gone.
            Ok(false) | Err(_) => Acked::RedeliveryToCome,
        }
    }

    pub(in crate::broker) async fn release(self) {
        // `nack` is what newer brokers do not count as a failed delivery.
        let nack = self.acker.nack(BasicNackOptions { multiple: false, requeue: true });
        let _ = within(self.timeout, "giving back a delivery", nack).await;
    }
}
