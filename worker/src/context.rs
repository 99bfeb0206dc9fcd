//! What jobs work with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chain::Waker;
use entities::NetworkId;
use queue::Database;

/// What every job is given. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The database.
    pub db: Database,
    wakers: Arc<Mutex<HashMap<NetworkId, Waker>>>,
}

impl Context {
    /// For jobs on this database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, wakers: Arc::default() }
    }

    pub(crate) fn set_waker(&self, network_id: NetworkId, waker: Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).insert(network_id, waker);
    }

    /// Tells the networks' agents, where they run in this process, that there is something to send.
    pub(crate) fn wake(&self, networks: impl IntoIterator<Item = NetworkId>) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        for network_id in networks {
            if let Some(waker) = wakers.get(&network_id) {
                waker.wake();
            }
        }
    }
}
