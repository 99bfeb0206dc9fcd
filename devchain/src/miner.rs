//! Makes blocks, and unmakes them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use alloy::{
    consensus::{Header, Sealable, Sealed},
    primitives::{Address, B256},
};
use anyhow::ensure;

use crate::{
    block::{Block, Credit},
    clock::Clock,
    evm::execute,
    history::fingerprint,
    journal::Journal,
    ledger::Ledger,
    node::Node,
    record::{Empty, Reorg, Summary, encode, encode_content},
    snapshot::Snapshots,
    state::Changes,
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
            Some((block, changes)) => self.append_content(miner, block, &changes)?,
            None => append_empty(&mut self.ledger_mut(), &self.journal, header)?,
        };
        miner.clock.block_made(timestamp);
        if let Some(snapshots) = &mut miner.snapshots {
            snapshots.take_when_due(&self.ledger(), &self.journal);
        }
        Ok(head)
    }

    /// Mines until a transaction that was just added is in a block. Another sender's block may have taken it along.
    pub(crate) fn mine_at_once(&self, hash: B256) -> anyhow::Result<()> {
        let mut miner = self.miner();
        let waits = self.pool().get(hash).is_some();
        if waits {
            self.mine(&mut miner, Take::Pool)?;
        }
        Ok(())
    }

    /// Executes what there is to execute.
    fn fill(&self, miner: &Miner, header: &Header, take: Take) -> Option<(Block, Changes)> {
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
        something.then_some((block, changes))
    }

    fn append_content(&self, miner: &mut Miner, block: Block, changes: &Changes) -> anyhow::Result<Sealed<Header>> {
        let head = block.header.clone().seal_slow();
        let summary = Summary::of(&block, head.seal());
        let place = self.journal.append(&encode_content(&summary, &block, changes))?;
        let senders: BTreeSet<Address> = block.transactions.iter().map(|mined| mined.sender).collect();
        let mut pool = self.pool();
        let mut ledger = self.ledger_mut();
        ledger.state.apply(changes);
        ledger.history.push_content(&summary, place);
        ledger.history.set_head(head.clone());
        ledger.history.remember(head.number, Arc::new(block));
        for sender in senders {
            pool.reconcile(sender, ledger.state.info(&sender));
        }
        miner.credits.clear();
        Ok(head)
    }

    /// Drops the last blocks and puts as many empty ones in their place, in one step as far as readers can see.
    pub(crate) fn reorg(&self, depth: u64, dropped: Dropped) -> anyhow::Result<()> {
        let mut miner = self.miner();
        ensure!(!miner.closed, "the chain was shut down");
        let mut pool = self.pool();
        let mut ledger = self.ledger_mut();
        let old_head = ledger.history.head().number;
        ensure!(depth > 0 && depth <= old_head, "cannot drop {depth} of {old_head} blocks");
        let new_head = old_head - depth;
        let timestamps = (new_head + 1..=old_head)
            .map(|number| Ok(ledger.history.header(number)?.map(|header| header.timestamp).unwrap_or_default()))
            .collect::<anyhow::Result<Vec<u64>>>()?;
        let orphans = ledger.history.contents_after(new_head)?;
        let fork = ledger.history.fork + 1;
        self.journal.append(&encode(b'R', &Reorg { head: new_head, fork }))?;
        ledger.history.fork = fork;
        ledger.rewind(new_head, &orphans);
        ledger.history.settle()?;
        for timestamp in timestamps {
            let header = ledger.history.next_header(timestamp);
            append_empty(&mut ledger, &self.journal, header)?;
        }
        for orphan in orphans {
            miner.credits.extend(&orphan.block.credits);
            if dropped == Dropped::ToPool {
                pool.take_back(&orphan.block);
            }
        }
        pool.reconcile_all(|sender| ledger.state.info(&sender));
        Ok(())
    }
}

fn append_empty(ledger: &mut Ledger, journal: &Journal, header: Header) -> anyhow::Result<Sealed<Header>> {
    let head = header.seal_slow();
    let parent = (!ledger.history.extends_run(head.timestamp)).then_some(head.parent_hash);
    let fingerprint = fingerprint(head.seal());
    journal.append(&encode(b'E', &Empty { timestamp: head.timestamp, fingerprint, parent }))?;
    ledger.history.push_empty(head.timestamp, fingerprint, parent);
    ledger.history.set_head(head.clone());
    Ok(head)
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
