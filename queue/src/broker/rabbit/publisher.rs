//! Publishing with confirms, a window at a time.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{
    Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{
    connection::{SharedConnection, within},
    topology::Topology,
    wire,
};
use crate::{
    broker::{BrokerConfig, BrokerError, Publication},
    health::PartHandle,
    log_throttle::LogThrottle,
    message::{EVENTS, Message},
};

/// How often a wait for confirms polls whether the broker has blocked us.
const BLOCKED_POLL: Duration = Duration::from_millis(250);

/// How long a queue that cannot be declared is left alone.
const REFUSED: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    pub(super) connection: SharedConnection,
    topology: Arc<Topology>,
    window: usize,
    timeout: Duration,
    part: PartHandle,
    /// What was last reported is that the broker blocks us.
    blocked: AtomicBool,
    throttle: LogThrottle,
    /// One window at a time: a returned message must belong to the window whose confirms are being read.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<PublishChannel>,
    /// Queues that exist with other arguments than ours, and when to try again. Their messages wait in the outbox, the
    /// others' do not.
    refused: HashMap<String, Instant>,
}

/// A channel and the queues that were declared through it.
struct PublishChannel {
    channel: Channel,
    declared: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PublishOutcome {
    Confirmed,
    /// Unroutable: its queue has been deleted.
    Returned,
    /// Not sent: its queue cannot be declared.
    Refused,
    /// Lost or taken.
    Unknown,
}

impl Publisher {
    pub(super) fn new(
        connection: SharedConnection,
        topology: Arc<Topology>,
        config: &BrokerConfig,
        part: PartHandle,
    ) -> Self {
        let (window, timeout) = (config.publish_window, config.timeout());
        let (blocked, throttle) = (AtomicBool::new(false), LogThrottle::default());
        Self { connection, topology, window, timeout, part, blocked, throttle, state: Mutex::default() }
    }

    /// Whether messages can be published now; restores the channel if it can be.
    pub(super) async fn is_ready(&self) -> bool {
        let mut state = self.state.lock().await;
        let ready = match self.connection.is_blocked().await {
            true => Err(BrokerError::Blocked),
            false => match self.retry_refused(&mut state).await {
                Ok(()) => self.restore(&mut state.open).await.map(drop),
                Err(error) => Err(error),
            },
        };
        let ready = ready.inspect_err(|error| self.report(error)).is_ok();
        if ready && self.blocked.swap(false, Ordering::Relaxed) {
            tracing::info!("the broker takes messages again");
        }
        if ready && state.refused.is_empty() {
            self.part.up();
            self.throttle.reset();
        }
        ready
    }

    pub(super) async fn publish(&self, messages: &[Message]) -> Vec<Publication> {
        let mut publications = Vec::with_capacity(messages.len());
        for window in messages.chunks(self.window) {
            let mut state = self.state.lock().await;
            let mut outcomes = self.publish_window(&mut state, window).await;
            // The queues of returned messages have been forgotten, so the second try declares them anew.
            let returned: Vec<_> = (0..window.len()).filter(|at| outcomes[*at] == PublishOutcome::Returned).collect();
            if !returned.is_empty() {
                let again: Vec<_> = returned.iter().map(|at| window[*at].clone()).collect();
                for (at, outcome) in returned.into_iter().zip(self.publish_window(&mut state, &again).await) {
                    outcomes[at] = outcome;
                }
            }
            publications.extend(outcomes.into_iter().map(|outcome| match outcome {
                PublishOutcome::Confirmed => Publication::Confirmed,
                PublishOutcome::Returned | PublishOutcome::Refused | PublishOutcome::Unknown => Publication::Unknown,
            }));
        }
        publications
    }

    /// After an error or a missing confirm the channel is given up: a confirm that came late would be taken for one of
    /// the next window.
    async fn publish_window(&self, state: &mut State, window: &[Message]) -> Vec<PublishOutcome> {
        if self.connection.is_blocked().await {
            self.report(&BrokerError::Blocked);
            return vec![PublishOutcome::Unknown; window.len()];
        }
        let outcomes = match self.declare_queues(state, window).await {
            Ok(()) => self.exchange(state, window).await,
            Err(error) => Err(error),
        };
        let outcomes = outcomes.unwrap_or_else(|error| {
            self.report(&error);
            vec![PublishOutcome::Unknown; window.len()]
        });
        if outcomes.contains(&PublishOutcome::Unknown) {
            state.open = None;
        }
        outcomes
    }

    async fn restore<'a>(&self, open: &'a mut Option<PublishChannel>) -> Result<&'a mut PublishChannel, BrokerError> {
        if open.as_ref().is_none_or(|open| !open.channel.status().connected()) {
            *open = None;
            let channel = self.connection.channel().await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default());
            within(self.timeout, "asking for confirms", confirms).await?;
            self.topology.declare_base(&channel, self.timeout).await?;
            *open = Some(PublishChannel { channel, declared: HashSet::new() });
        }
        open.as_mut().ok_or(BrokerError::Disconnected)
    }

    async fn declare_queues(&self, state: &mut State, window: &[Message]) -> Result<(), BrokerError> {
        self.retry_refused(state).await?;
        let queues: BTreeSet<_> = window.iter().map(|message| message.queue.as_str()).collect();
        for queue in queues.into_iter().filter(|queue| *queue != EVENTS) {
            if !state.refused.contains_key(queue) {
                self.declare_queue(state, queue).await?;
            }
        }
        Ok(())
    }

    /// Whether or not there is anything to publish: what was wrong with a queue may be mended, and is then no longer
    /// reported.
    async fn retry_refused(&self, state: &mut State) -> Result<(), BrokerError> {
        let now = Instant::now();
        let due = state.refused.extract_if(|_, until| *until <= now).map(|(queue, _)| queue);
        for queue in due.collect::<Vec<_>>() {
            self.declare_queue(state, &queue).await?;
        }
        Ok(())
    }

    async fn declare_queue(&self, state: &mut State, queue: &str) -> Result<(), BrokerError> {
        let open = self.restore(&mut state.open).await?;
        if open.declared.contains(queue) {
            return Ok(());
        }
        match self.topology.declare_queue(&open.channel, self.timeout, queue).await {
            Ok(()) => {
                open.declared.insert(queue.to_owned());
                Ok(())
            }
            Err(error @ BrokerError::Mismatch { .. }) => {
                // The refusal has closed the channel.
                self.report(&error);
                state.open = None;
                state.refused.insert(queue.to_owned(), Instant::now() + REFUSED);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn exchange(&self, state: &mut State, window: &[Message]) -> Result<Vec<PublishOutcome>, BrokerError> {
        let State { open, refused } = state;
        let open = self.restore(open).await?;
        let deadline = Instant::now() + self.timeout;
        let mut outcomes = vec![PublishOutcome::Unknown; window.len()];
        let mut confirms = Vec::with_capacity(window.len());
        for (outcome, message) in outcomes.iter_mut().zip(window) {
            if refused.contains_key(&message.queue) {
                *outcome = PublishOutcome::Refused;
                continue;
            }
            match timeout_at(deadline, self.send(&open.channel, message)).await {
                Ok(Ok(confirm)) => confirms.push((outcome, confirm)),
                // Confirms of what was sent before may still arrive.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        fail::fail_point!("publisher.sent");
        let mut returned = HashSet::new();
        for (outcome, confirm) in confirms {
            // An error, a refusal and silence all mean that nobody knows.
            if let Some(confirmation) = self.confirmation(confirm, deadline).await {
                if confirmation.is_ack() {
                    *outcome = PublishOutcome::Confirmed;
                }
                returned.extend(returned_id(confirmation));
            }
        }
        // An unroutable message is acknowledged all the same, and lapin attaches it to any of the window's confirms
        // rather than to its own: only its id tells which it was.
        for (outcome, message) in outcomes.iter_mut().zip(window) {
            if returned.contains(&message.message_id.to_string()) {
                tracing::warn!(message_id = %message.message_id, queue = message.queue, "returned as unroutable");
                open.declared.remove(&message.queue);
                *outcome = PublishOutcome::Returned;
            }
        }
        Ok(outcomes)
    }

    /// Waits for a confirm until the deadline, or until the broker blocks us: then it reads nothing, and confirms only
    /// what had arrived.
    async fn confirmation(&self, mut confirm: PublisherConfirm, deadline: Instant) -> Option<Confirmation> {
        loop {
            let look = (Instant::now() + BLOCKED_POLL).min(deadline);
            match timeout_at(look, &mut confirm).await {
                Ok(answer) => return answer.ok(),
                Err(_) if self.connection.is_blocked().await => {
                    self.report(&BrokerError::Blocked);
                    return None;
                }
                Err(_) if look == deadline => return None,
                Err(_) => {}
            }
        }
    }

    async fn send(&self, channel: &Channel, message: &Message) -> lapin::Result<PublisherConfirm> {
        // Events are for subscribers, and nobody has to.
        let (exchange, key, mandatory) = match message.queue.as_str() {
            EVENTS => (&self.topology.events, message.kind.as_str(), false),
            queue => (&self.topology.jobs, queue, true),
        };
        let options = BasicPublishOptions { mandatory, immediate: false };
        let (body, properties) = (message.payload.as_bytes(), wire::properties(message));
        channel.basic_publish(exchange.as_str().into(), key.into(), options, body, properties).await
    }

    fn report(&self, error: &BrokerError) {
        let was_blocked = self.blocked.swap(matches!(error, BrokerError::Blocked), Ordering::Relaxed);
        self.part.down(error);
        match error {
            // Said when the connection was lost.
            BrokerError::Disconnected => {}
            // Said once: the board keeps it for as long as it lasts.
            BrokerError::Blocked if was_blocked => {}
            BrokerError::Mismatch { .. } => tracing::error!(error = %error, "messages wait in the outbox"),
            _ if self.throttle.should_log(error) => tracing::warn!(error = %error, "cannot publish; trying again"),
            _ => tracing::debug!(error = %error, "cannot publish; trying again"),
        }
    }
}

fn returned_id(confirmation: Confirmation) -> Option<String> {
    let returned = confirmation.take_message()?;
    returned.delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned())
}
