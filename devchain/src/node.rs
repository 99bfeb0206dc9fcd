//! Everything that the handles of one chain share, and the order of its locks: miner, pool, ledger.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Account, BlockTime, Faults, ledger::Ledger, miner::Miner, pool::Pool, rpc::Filters};

/// The chain behind its handles. Blocks are executed under a read lock, so that readers go on meanwhile; the write
/// lock is held only while a finished block is put in place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) chain_id: u64,
    pub(crate) block_time: BlockTime,
    pub(crate) accounts: Vec<Account>,
    pub(crate) faults: Faults,
    pub(crate) filters: Filters,
    pub(crate) miner: Mutex<Miner>,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) ledger: RwLock<Ledger>,
}

impl Node {
    /// Who holds this is the only one to change the chain.
    pub(crate) fn miner(&self) -> MutexGuard<'_, Miner> {
        self.miner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger_mut(&self) -> RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner)
    }
}
