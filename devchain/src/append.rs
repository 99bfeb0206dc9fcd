//! Puts blocks on top of the chain: into the log first, then where readers see them.

use std::{io, sync::Arc};

use alloy::consensus::{Header, Sealable, Sealed};

use crate::{
    block::Block,
    history::fingerprint,
    ledger::Ledger,
    record::{Body, Empty, Reorg, Summary, encode, encode_content},
    state::Changes,
};

/// A block with content of which everything that takes time is done.
#[derive(Debug)]
pub(crate) struct Finished {
    head: Sealed<Header>,
    block: Block,
    changes: Changes,
    summary: Summary,
    record: Vec<u8>,
}

impl Finished {
    pub(crate) fn new(block: Block, changes: Changes) -> Self {
        let head = block.header.clone().seal_slow();
        let summary = Summary::of(&block, head.seal());
        let record = encode_content(&summary, &block, &changes);
        Self { head, block, changes, summary, record }
    }

    /// The transactions and funds in it.
    pub(crate) fn block(&self) -> &Block {
        &self.block
    }
}

impl Ledger {
    /// Appends a block with content.
    pub(crate) fn append(&mut self, finished: Finished) -> io::Result<Sealed<Header>> {
        let Finished { head, block, changes, summary, record } = finished;
        let place = self.history.journal.append(&record)?;
        self.state.apply(&changes);
        self.history.push_content(&summary, place);
        self.history.set_head(head.clone());
        self.history.remember(head.number, Arc::new(block));
        Ok(head)
    }

    /// Appends an empty block.
    pub(crate) fn append_empty(&mut self, header: Header) -> io::Result<Sealed<Header>> {
        let head = header.seal_slow();
        let parent = (!self.history.extends_run(head.timestamp)).then_some(head.parent_hash);
        let fingerprint = fingerprint(head.seal());
        self.history.journal.append(&encode(b'E', &Empty { timestamp: head.timestamp, fingerprint, parent }))?;
        self.history.push_empty(head.timestamp, fingerprint, parent);
        self.history.set_head(head.clone());
        Ok(head)
    }

    /// Drops every block above this one; answers those that held something.
    pub(crate) fn drop_above(&mut self, head: u64) -> anyhow::Result<Vec<Body>> {
        let orphans = self.history.contents_after(head)?;
        let fork = self.history.fork() + 1;
        self.history.journal.append(&encode(b'R', &Reorg { head, fork }))?;
        self.rewind(head, &orphans);
        self.history.settle()?;
        Ok(orphans)
    }
}
