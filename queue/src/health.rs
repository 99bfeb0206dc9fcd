//! Which part is up and which is down, since when and why: what `/health/ready` shows.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The board on which the long-running parts of this process write their state. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, PartStatus>>>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartStatus {
    /// For example `relay`, `rabbitmq publisher` or `consumer open_deal.v1`.
    pub name: String,
    /// Whether it does its work now.
    pub up: bool,
    /// When it came up or went down.
    pub since: DateTime<Utc>,
    /// What it last failed on, also after it has recovered. Never contains credentials.
    pub last_error: Option<String>,
}

impl Health {
    /// All parts that have started, by name.
    #[must_use]
    pub fn parts(&self) -> Vec<PartStatus> {
        self.board().values().cloned().collect()
    }

    /// Whether every part that has started is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.board().values().all(|part| part.up)
    }

    /// Puts a part on the board, down until it says otherwise.
    pub(crate) fn part(&self, name: impl Into<String>) -> PartHandle {
        let name = name.into();
        let status = PartStatus { name: name.clone(), up: false, since: Utc::now(), last_error: None };
        self.board().insert(name.clone(), status);
        PartHandle { board: self.clone(), name }
    }

    fn board(&self) -> MutexGuard<'_, BTreeMap<String, PartStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part's own line on the board; it leaves the board when this is dropped.
pub(crate) struct PartHandle {
    board: Health,
    name: String,
}

impl PartHandle {
    pub(crate) fn up(&self) {
        self.set(true, None);
    }

    pub(crate) fn down(&self, error: impl ToString) {
        self.set(false, Some(error.to_string()));
    }

    fn set(&self, up: bool, error: Option<String>) {
        if let Some(status) = self.board.board().get_mut(&self.name) {
            if status.up != up {
                status.up = up;
                status.since = Utc::now();
            }
            status.last_error = error.or(status.last_error.take());
        }
    }
}

impl Drop for PartHandle {
    fn drop(&mut self) {
        self.board.board().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_down_until_it_is_up_and_keeps_its_last_error() {
        let health = Health::default();
        let relay = health.part("relay");
        assert!(!health.is_up());
        relay.down("refused");
        let since = health.parts()[0].since;
        relay.down("refused again");
        assert_eq!(health.parts()[0].since, since, "still the same outage");
        relay.up();
        let parts = health.parts();
        assert!(health.is_up() && parts[0].up);
        assert_eq!(parts[0].last_error.as_deref(), Some("refused again"));
        drop(relay);
        assert!(health.parts().is_empty());
    }
}
