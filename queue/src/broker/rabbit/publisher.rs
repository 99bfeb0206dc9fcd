//! Publishing with confirms, a window at a time.

use std::collections::HashSet;

use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use std::{sync::Arc, time::Duration};
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
    message::{EVENTS, Message},
};

pub(super) struct Publisher {
    pub(super) link: Link,
    topology: Arc<Topology>,
    window: usize,
    timeout: Duration,
    /// One window at a time: a returned message must belong to the window whose confirms are being read.
    session: Mutex<Option<Session>>,
}

/// A channel and what was declared through it.
struct Session {
    channel: Channel,
    declared: HashSet<String>,
}

impl Publisher {
    pub(super) fn new(link: Link, topology: Arc<Topology>, config: &BrokerConfig) -> Self {
        Self { link, topology, window: config.publish_window, timeout: config.timeout(), session: Mutex::new(None) }
    }

    /// Whether messages can be published now; restores the channel if it can be.
    pub(super) async fn is_ready(&self) -> bool {
        let mut session = self.session.lock().await;
        self.restore(&mut session).await.is_ok()
    }

    pub(super) async fn publish(&self, messages: &[Message]) -> Vec<Publication> {
        let mut publications = Vec::with_capacity(messages.len());
        for window in messages.chunks(self.window) {
            let mut session = self.session.lock().await;
            let mut published = self.publish_window(&mut session, window).await;
            // A queue was deleted: it has been forgotten, so the second try declares it anew.
            let unroutable: Vec<_> = (0..window.len()).filter(|at| published[*at] == Outcome::Returned).collect();
            if !unroutable.is_empty() {
                let again: Vec<_> = unroutable.iter().map(|at| window[*at].clone()).collect();
                let second = self.publish_window(&mut session, &again).await;
                for (at, outcome) in unroutable.into_iter().zip(second) {
                    published[at] = outcome;
                }
            }
            publications.extend(published.into_iter().map(Publication::from));
        }
        publications
    }

    async fn restore<'a>(&self, session: &'a mut Option<Session>) -> Result<&'a mut Session, BrokerError> {
        if session.as_ref().is_none_or(|session| !session.channel.status().connected()) {
            *session = None;
            let channel = self.link.channel().await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default());
            within(self.timeout, "asking for confirms", confirms).await?;
            self.topology.declare_base(&channel, self.timeout).await.inspect_err(report)?;
            *session = Some(Session { channel, declared: HashSet::new() });
        }
        session.as_mut().ok_or(BrokerError::Disconnected)
    }

    /// After an error or a missing confirm the channel is given up: a confirm that came late would be taken for one of
    /// the next window.
    async fn publish_window(&self, session: &mut Option<Session>, window: &[Message]) -> Vec<Outcome> {
        let outcomes = match self.restore(session).await {
            Ok(session) => self.exchange(session, window).await,
            Err(BrokerError::Disconnected) => return vec![Outcome::Unknown; window.len()],
            Err(error) => Err(error),
        };
        match outcomes {
            Ok(outcomes) if !outcomes.contains(&Outcome::Unknown) => outcomes,
            Ok(outcomes) => {
                *session = None;
                outcomes
            }
            Err(error) => {
                tracing::warn!(error = %error, messages = window.len(), "not published; trying again");
                *session = None;
                vec![Outcome::Unknown; window.len()]
            }
        }
    }

    async fn exchange(&self, session: &mut Session, window: &[Message]) -> Result<Vec<Outcome>, BrokerError> {
        for message in window {
            if message.queue != EVENTS && !session.declared.contains(&message.queue) {
                let declare = self.topology.declare_queue(&session.channel, self.timeout, &message.queue);
                declare.await.inspect_err(report)?;
                session.declared.insert(message.queue.clone());
            }
        }
        let deadline = Instant::now() + self.timeout;
        let mut confirms = Vec::with_capacity(window.len());
        for message in window {
            match timeout_at(deadline, self.send(&session.channel, message)).await {
                Ok(Ok(confirm)) => confirms.push(confirm),
                // Confirms of what was sent before may still arrive.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let mut outcomes = vec![Outcome::Unknown; window.len()];
        let mut returned = HashSet::new();
        for (outcome, confirm) in outcomes.iter_mut().zip(confirms) {
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Confirmed,
    Returned,
    Unknown,
}

impl From<Outcome> for Publication {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Confirmed => Self::Confirmed,
            Outcome::Returned | Outcome::Unknown => Self::Unknown,
        }
    }
}

fn returned_id(confirmation: Confirmation) -> Option<String> {
    let returned = confirmation.take_message()?;
    returned.delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned())
}

fn report(error: &BrokerError) {
    if matches!(error, BrokerError::Mismatch { .. }) {
        tracing::error!(error = %error, "RabbitMQ holds something else under our name");
    }
}
