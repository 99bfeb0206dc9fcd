//! What contracts keep in memory, for all requests.

use crate::{config::Config, contracts::receipts::Uploads};

/// What contracts keep as long as the process lives.
pub(crate) struct ContractState {
    pub(crate) uploads: Uploads,
}

impl ContractState {
    pub(crate) fn new(config: &Config) -> Self {
        Self { uploads: Uploads::new(&config.receipts) }
    }

    /// Forgets what needs no longer be known; called now and then.
    pub(crate) fn forget_idle(&self) {
        self.uploads.forget_idle();
    }
}
