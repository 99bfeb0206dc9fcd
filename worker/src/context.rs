//! What jobs work with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chain::{AgentHealth, Waker};
use chrono::TimeDelta;
use entities::{NetworkId, now};
use gateways::{Gateways, Phoenixd};
use payments::CheckoutLinks;
use queue::Database;
use tokio::sync::watch;

/// How long a network may go unread before that counts as a problem. Endpoints fail for moments.
const UNREAD_MAX: TimeDelta = TimeDelta::seconds(30);

/// What every job is given. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub db: Database,
    /// Tells the webhooks' lanes of this process, where they run, that there is something to send.
    pub webhooks: webhooks::Waker,
    pub gateways: Gateways,
    /// Where gateways send browsers.
    pub checkout_links: CheckoutLinks,
    agents: Arc<Mutex<HashMap<NetworkId, RunningAgent>>>,
    lightning: Option<Phoenixd>,
}

/// An agent of this process.
pub(crate) struct RunningAgent {
    pub(crate) network: String,
    pub(crate) waker: Waker,
    pub(crate) health: watch::Receiver<AgentHealth>,
}

impl Context {
    #[must_use]
    pub fn new(db: Database, gateways: Gateways, checkout_links: CheckoutLinks) -> Self {
        let (webhooks, agents) = (webhooks::Waker::default(), Arc::default());
        Self { db, webhooks, gateways, checkout_links, agents, lightning: None }
    }

    /// Adds a Lightning node that makes invoices.
    #[must_use]
    pub fn with_lightning(self, node: Option<Phoenixd>) -> Self {
        Self { lightning: node, ..self }
    }

    pub(crate) fn lightning(&self) -> Option<&Phoenixd> {
        self.lightning.as_ref()
    }

    pub(crate) fn set_agent(&self, network_id: NetworkId, agent: RunningAgent) {
        self.agents().insert(network_id, agent);
    }

    pub(crate) fn remove_agent(&self, network_id: NetworkId) {
        self.agents().remove(&network_id);
    }

    /// Tells the networks' agents, where they run in this process, that there is something to send.
    pub(crate) fn wake(&self, networks: impl IntoIterator<Item = NetworkId>) {
        let agents = self.agents();
        for network_id in networks {
            if let Some(agent) = agents.get(&network_id) {
                agent.waker.wake();
            }
        }
    }

    /// The networks that this process works and has not been able to read for half a minute, in sentences that hold
    /// nothing of their endpoints; why is in the log.
    #[must_use]
    pub fn unread_networks(&self) -> Vec<String> {
        let before = now() - UNREAD_MAX;
        let unread = |agent: &RunningAgent| {
            let health = agent.health.borrow();
            let fails = health.leader && health.last_error.is_some();
            let sentence = match health.polled_at {
                Some(at) => format!("network {} was last read at {}", agent.network, at.format("%FT%TZ")),
                None => format!("network {} could not be read yet", agent.network),
            };
            (fails && health.polled_at.is_none_or(|at| at < before)).then_some(sentence)
        };
        self.agents().values().filter_map(unread).collect()
    }

    /// The signers that can send nothing on the networks that this process works, and why, in sentences that hold nothing
    /// of endpoints.
    #[must_use]
    pub fn held_up_signers(&self) -> Vec<String> {
        let agents = self.agents();
        let held_up = agents.values().flat_map(|agent| {
            let lanes = agent.health.borrow().lanes.clone();
            lanes
                .into_iter()
                .map(move |(signer, trouble)| format!("network {}: signer {signer} {trouble}", agent.network))
        });
        held_up.collect()
    }

    /// What is wrong with the networks that this process works and with their signers.
    #[must_use]
    pub fn chain_troubles(&self) -> Vec<String> {
        let mut troubles = self.unread_networks();
        troubles.extend(self.held_up_signers());
        troubles
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<NetworkId, RunningAgent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
