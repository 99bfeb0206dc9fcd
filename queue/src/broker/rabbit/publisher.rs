//! Publishing with confirms, a window at a time.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{
    link::{Link, within},
    topology::Topology,
    wire,
};
use crate::{
    broker::{BrokerConfig, BrokerError, Publication},
    health::Part,
    message::{EVENTS, Message},
};

/// How long a queue that cannot be declared is left alone.
const REFUSED: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    pub(super) link: Link,
    topology: Arc<Topology>,
    window: usize,
    timeout: Duration,
    part: Part,
    /// One window at a time: a returned message must belong to the window whose confirms are being read.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    /// Queues that exist with other arguments than ours, and when to try again. Their messages wait in the outbox, the
    /// others' do not.
    refused: HashMap<String, Instant>,
}

/// A channel and the queues that were declared through it.
struct Session {
    channel: Channel,
    declared: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Confirmed,
    /// Unroutable: its queue has been deleted.
    Returned,
    /// Not sent: its queue cannot be declared.
    Refused,
    /// Lost or taken.
    Unknown,
}

impl Publisher {
    pub(super) fn new(link: Link, topology: Arc<Topology>, config: &BrokerConfig, part: Part) -> Self {
        let (window, timeout) = (config.publish_window, config.timeout());
        Self { link, topology, window, timeout, part, state: Mutex::default() }
    }

    /// Whether messages can be published now; restores the channel if it can be.
    pub(super) async fn is_ready(&self) -> bool {
        let mut state = self.state.lock().await;
        let ready = self.restore(&mut state.session).await.map(drop);
        let ready = ready.inspect_err(|error| self.report(error)).is_ok();
        if ready && state.refused.is_empty() {
            self.part.up();
        }
        ready
    }

    pub(super) async fn publish(&self, messages: &[Message]) -> Vec<Publication> {
        let mut publications = Vec::with_capacity(messages.len());
        for window in messages.chunks(self.window) {
            let mut state = self.state.lock().await;
            let mut outcomes = self.publish_window(&mut state, window).await;
            // The queues of returned messages have been forgotten, so the second try declares them anew.
            let returned: Vec<_> = (0..window.len()).filter(|at| outcomes[*at] == Outcome::Returned).collect();
            if !returned.is_empty() {
                let again: Vec<_> = returned.iter().map(|at| window[*at].clone()).collect();
                for (at, outcome) in returned.into_iter().zip(self.publish_window(&mut state, &again).await) {
                    outcomes[at] = outcome;
                }
            }
            publications.extend(outcomes.into_iter().map(|outcome| match outcome {
                Outcome::Confirmed => Publication::Confirmed,
                Outcome::Returned | Outcome::Refused | Outcome::Unknown => Publication::Unknown,
            }));
        }
        publications
    }

    /// After an error or a missing confirm the channel is given up: a confirm that came late would be taken for one of
    /// the next window.
    async fn publish_window(&self, state: &mut State, window: &[Message]) -> Vec<Outcome> {
        let outcomes = match self.declare_queues(state, window).await {
            Ok(()) => self.exchange(state, window).await,
            Err(error) => Err(error),
        };
        let outcomes = outcomes.unwrap_or_else(|error| {
            self.report(&error);
            vec![Outcome::Unknown; window.len()]
        });
        if outcomes.contains(&Outcome::Unknown) {
            state.session = None;
        }
        outcomes
    }

    async fn restore<'a>(&self, session: &'a mut Option<Session>) -> Result<&'a mut Session, BrokerError> {
        if session.as_ref().is_none_or(|session| !session.channel.status().connected()) {
            *session = None;
            let channel = self.link.channel().await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default());
            within(self.timeout, "asking for confirms", confirms).await?;
            self.topology.declare_base(&channel, self.timeout).await?;
            *session = Some(Session { channel, declared: HashSet::new() });
        }
        session.as_mut().ok_or(BrokerError::Disconnected)
    }

    async fn declare_queues(&self, state: &mut State, window: &[Message]) -> Result<(), BrokerError> {
        let now = Instant::now();
        state.refused.retain(|_, until| *until > now);
        let queues: BTreeSet<_> = window.iter().map(|message| message.queue.as_str()).collect();
        for queue in queues.into_iter().filter(|queue| *queue != EVENTS) {
            let session = self.restore(&mut state.session).await?;
            if session.declared.contains(queue) || state.refused.contains_key(queue) {
                continue;
            }
            match self.topology.declare_queue(&session.channel, self.timeout, queue).await {
                Ok(()) => {
                    session.declared.insert(queue.to_owned());
                }
                Err(error @ BrokerError::Mismatch { .. }) => {
                    // The refusal has closed the channel.
                    self.report(&error);
                    state.session = None;
                    state.refused.insert(queue.to_owned(), now + REFUSED);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn exchange(&self, state: &mut State, window: &[Message]) -> Result<Vec<Outcome>, BrokerError> {
        let State { session, refused } = state;
        let session = self.restore(session).await?;
        let deadline = Instant::now() + self.timeout;
        let mut outcomes = vec![Outcome::Unknown; window.len()];
        let mut confirms = Vec::with_capacity(window.len());
        for (outcome, message) in outcomes.iter_mut().zip(window) {
            if refused.contains_key(&message.queue) {
                *outcome = Outcome::Refused;
                continue;
            }
            match timeout_at(deadline, self.send(&session.channel, message)).await {
                Ok(Ok(confirm)) => confirms.push((outcome, confirm)),
                // Confirms of what was sent before may still arrive.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let mut returned = HashSet::new();
        for (outcome, confirm) in confirms {
            // An error, a refusal and silence all mean that nobody knows.
            if let Ok(Ok(confirmation)) = timeout_at(deadline, confirm).await {
                if confirmation.is_ack() {
                    *outcome = Outcome::Confirmed;
                }
                returned.extend(returned_id(confirmation));
            }
        }
        // An unroutable message is acknowledged all the same, and lapin attaches it to any of the window's confirms
        // rather than to its own: only its id tells which it was.
        for (outcome, message) in outcomes.iter_mut().zip(window) {
            if returned.contains(&message.message_id.to_string()) {
                tracing::warn!(message_id = %message.message_id, queue = message.queue, "returned as unroutable");
                session.declared.remove(&message.queue);
                *outcome = Outcome::Returned;
            }
        }
        Ok(outcomes)
    }

    async fn send(&self, channel: &Channel, message: &Message) -> lapin::Result<lapin::PublisherConfirm> {
        // Events are for whoever listens, and nobody has to.
        let (exchange, key, mandatory) = match message.queue.as_str() {
            EVENTS => (&self.topology.events, message.kind.as_str(), false),
            queue => (&self.topology.jobs, queue, true),
        };
        let options = BasicPublishOptions { mandatory, immediate: false };
        let (body, properties) = (message.payload.as_bytes(), wire::properties(message));
        channel.basic_publish(exchange.as_str().into(), key.into(), options, body, properties).await
    }

    fn report(&self, error: &BrokerError) {
        self.part.down(error);
        match error {
            // Said when the connection was lost.
            BrokerError::Disconnected => {}
            BrokerError::Mismatch { .. } => tracing::error!(error = %error, "messages wait in the outbox"),
            _ => tracing::warn!(error = %error, "cannot publish; trying again"),
        }
    }
}

fn returned_id(confirmation: Confirmation) -> Option<String> {
    let returned = confirmation.take_message()?;
    returned.delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned())
}
