//! Makes blocks, and unmakes them.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Weak,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use alloy::{
    consensus::{Header, Sealed},
    primitives::{Address, B256},
};
use anyhow::ensure;

use crate::{
    append::Finished,
    block::{Credit, next_base_fee},
    clock::Clock,
    evm::execute,
    node::Node,
    snapshot::Snapshots,
};

/// What becomes of the transactions of blocks that a reorg drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// They go back to the pool and are mined again.
    ToPool,
    /// They are gone, as if their sender had replaced them elsewhere or every node had forgotten them.
    Vanish,
}

/// What only the holder of the miner's lock may touch.
#[derive(Debug)]
pub(crate) struct Miner {
    pub(crate) clock: Clock,
    pub(crate) credits: Vec<Credit>,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) closed: bool,
}

/// What goes into a block besides waiting credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Pool,
    Nothing,
}

impl Node {
    /// Makes one block.
    pub(crate) fn mine(&self, miner: &mut Miner, take: Take) -> anyhow::Result<Sealed<Header>> {
        ensure!(!miner.closed, "the chain was shut down");
        let header = {
            let ledger = self.ledger();
            ledger.history.next_header(miner.clock.timestamp(ledger.history.head().timestamp))
        };
        let timestamp = header.timestamp;
        let head = match self.fill(miner, &header, take) {
            Some(finished) => {
                let head = self.put(finished)?;
                miner.credits.clear();
                head
            }
            None => self.ledger_mut().append_empty(header)?,
        };
        miner.clock.block_made(timestamp);
        if let Some(snapshots) = &mut miner.snapshots {
            snapshots.take_when_due(&self.ledger());
        }
        Ok(head)
    }

    /// Mines a block for a transaction that was just added, unless it has to wait for another or for a lower base fee,
    /// or another sender's block has already taken it along.
    pub(crate) fn mine_at_once(&self, hash: B256) -> anyhow::Result<()> {
        let mut miner = self.miner();
        let ready = {
            let pool = self.pool();
            let ledger = self.ledger();
            let ready = pool.ready(next_base_fee(ledger.history.head()), |sender| ledger.state.info(&sender).nonce);
            ready.iter().any(|pooled| *pooled.envelope.tx_hash() == hash)
        };
        if ready {
            self.mine(&mut miner, Take::Pool)?;
        }
        Ok(())
    }

    /// Executes what there is to execute.
    fn fill(&self, miner: &Miner, header: &Header, take: Take) -> Option<Finished> {
        let pool = self.pool();
        let ledger = self.ledger();
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let candidates = match take {
            Take::Pool => pool.ready(base_fee, |sender| ledger.state.info(&sender).nonce),
            Take::Nothing => Vec::new(),
        };
        drop(pool);
        if candidates.is_empty() && miner.credits.is_empty() {
            return None;
        }
        let (block, changes) =
            execute(ledger.latest(), self.chain_id, header.clone(), miner.credits.clone(), &candidates);
        let something = !block.transactions.is_empty() || !block.credits.is_empty();
        something.then(|| Finished::new(block, changes))
    }

    /// Makes a finished block visible.
    fn put(&self, finished: Finished) -> anyhow::Result<Sealed<Header>> {
        let senders: BTreeSet<Address> = finished.block().transactions.iter().map(|mined| mined.sender).collect();
        let mut pool = self.pool();
        let mut ledger = self.ledger_mut();
        let head = ledger.append(finished)?;
        for sender in senders {
            pool.reconcile(sender, ledger.state.info(&sender));
        }
        Ok(head)
    }

    /// Drops the last blocks and puts as many others in their place, with the same timestamps, in one step as far as
    /// readers can see. They are empty, but for the ether that was given in those dropped.
    pub(crate) fn reorg(&self, depth: u64, dropped: Dropped) -> anyhow::Result<()> {
        let miner = self.miner();
        ensure!(!miner.closed, "the chain was shut down");
        let mut pool = self.pool();
        let mut ledger = self.ledger_mut();
        let old_head = ledger.history.head().number;
        ensure!(depth > 0 && depth <= old_head, "cannot drop {depth} of {old_head} blocks");
        let new_head = old_head - depth;
        let timestamps = (new_head + 1..=old_head)
            .map(|number| Ok(ledger.history.header(number)?.map(|header| header.timestamp).unwrap_or_default()))
            .collect::<anyhow::Result<Vec<u64>>>()?;
        let orphans = ledger.drop_above(new_head)?;
        let mut credits: Vec<Credit> = orphans.iter().flat_map(|orphan| &orphan.block.credits).copied().collect();
        for timestamp in timestamps {
            let header = ledger.history.next_header(timestamp);
            if credits.is_empty() {
                ledger.append_empty(header)?;
            } else {
                let (block, changes) = execute(ledger.latest(), self.chain_id, header, mem::take(&mut credits), &[]);
                ledger.append(Finished::new(block, changes))?;
            }
        }
        if dropped == Dropped::ToPool {
            orphans.iter().for_each(|orphan| pool.take_back(&orphan.block));
        }
        pool.reconcile_all(|sender| ledger.state.info(&sender));
        Ok(())
    }
}

/// Mines a block each interval until the chain is shut down or its last handle is gone. Ticks that were missed, because
/// the machine slept or a block took long, are not made up for.
pub(crate) fn mine_each(interval: Duration, node: &Weak<Node>, stop: &Receiver<()>) {
    let mut next = Instant::now() + interval;
    while stop.recv_timeout(next.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout) {
        let Some(node) = node.upgrade() else { return };
        if let Err(error) = node.mine(&mut node.miner(), Take::Pool) {
            tracing::error!(%error, "no block this time");
        }
        next = (next + interval).max(Instant::now());
    }
}
