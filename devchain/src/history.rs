//! All blocks, in little memory: blocks with content stay in the log and are read when asked for, runs of empty ones
//! are a few numbers from which their headers are derived again.

mod rows;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    consensus::{Header, Sealable, Sealed},
    primitives::{Address, B256},
};
use anyhow::Context;

use crate::{
    block::{Block, Inheritance},
    journal::{Journal, Place},
    record::{Body, Summary},
};
pub(crate) use rows::Rows;

/// Decoded blocks kept at hand, counted in transactions.
const CACHED_TRANSACTIONS: usize = 4096;

/// The canonical chain.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) journal: Arc<Journal>,
    /// To which block each reorg so far went back.
    reorgs: Vec<u64>,
    pub(crate) rows: Rows,
    /// The first four bytes of each block's hash, by number: found by a linear scan, which is quick enough, as only
    /// candidates are compared in full.
    fingerprints: Vec<u32>,
    transactions: HashMap<B256, (u64, u32)>,
    /// The blocks in which each contract logged something, ascending.
    emitters: HashMap<Address, Vec<u64>>,
    cache: Mutex<Cache>,
    head: Sealed<Header>,
}

#[derive(Debug, Default)]
struct Cache {
    blocks: VecDeque<(u64, Arc<Block>)>,
    transactions: usize,
}

/// The first four bytes of a hash.
pub(crate) fn fingerprint(hash: B256) -> u32 {
    let [a, b, c, d, ..] = hash.0;
    u32::from_be_bytes([a, b, c, d])
}

impl History {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        let head = Header::default().seal_slow();
        Self {
            journal,
            reorgs: Vec::new(),
            rows: Rows::default(),
            fingerprints: Vec::new(),
            transactions: HashMap::new(),
            emitters: HashMap::new(),
            cache: Mutex::default(),
            head,
        }
    }

    /// The last block's header.
    pub(crate) fn head(&self) -> &Sealed<Header> {
        &self.head
    }

    /// How many reorgs there were; see [`Inheritance`].
    pub(crate) fn fork(&self) -> u32 {
        u32::try_from(self.reorgs.len()).unwrap_or(u32::MAX)
    }

    /// The first block that reorgs since then have replaced.
    pub(crate) fn replaced_since(&self, fork: u32) -> Option<u64> {
        let since = self.reorgs.get(usize::try_from(fork).ok()?..)?;
        since.iter().min().map(|head| head + 1)
    }

    /// Finds the head again after blocks were added without it, or taken away.
    pub(crate) fn settle(&mut self) -> anyhow::Result<()> {
        let last = self.rows.last_number().context("the block log holds no block")?;
        let head = self.read_header(last)?.context("no last block")?;
        let known = self.fingerprints.get(usize::try_from(last)?).copied();
        anyhow::ensure!(
            known == Some(fingerprint(head.seal())),
            "block {last} does not have the hash it was logged with"
        );
        self.head = head;
        Ok(())
    }

    /// Adds a block with content; the head follows with [`Self::settle`] or [`Self::set_head`].
    pub(crate) fn push_content(&mut self, summary: &Summary, place: Place) {
        for (index, hash) in (0u32..).zip(&summary.transactions) {
            self.transactions.insert(*hash, (summary.number, index));
        }
        for emitter in &summary.emitters {
            self.emitters.entry(*emitter).or_default().push(summary.number);
        }
        self.fingerprints.push(fingerprint(summary.hash));
        self.rows.push_content(summary, place, self.fork());
    }

    /// Adds an empty block.
    pub(crate) fn push_empty(&mut self, timestamp: u64, fingerprint: u32, new_run_after: Option<B256>) {
        self.fingerprints.push(fingerprint);
        self.rows.push_empty(timestamp, new_run_after, self.fork());
    }

    /// Whether an empty block with this timestamp goes on with the last run.
    pub(crate) fn extends_run(&self, timestamp: u64) -> bool {
        self.rows.extends_run(timestamp, self.fork())
    }

    /// The header of an empty block on top of the head.
    pub(crate) fn next_header(&self, timestamp: u64) -> Header {
        Inheritance::of_child(&self.head, timestamp, self.fork()).header()
    }

    /// Sets the head to the block that was just pushed.
    pub(crate) fn set_head(&mut self, head: Sealed<Header>) {
        self.head = head;
    }

    /// Puts a block that is likely to be asked for at hand.
    pub(crate) fn remember(&self, number: u64, block: Arc<Block>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.transactions += block.transactions.len();
        cache.blocks.push_back((number, block));
        while cache.blocks.len() > 1 && cache.transactions > CACHED_TRANSACTIONS {
            if let Some((_, evicted)) = cache.blocks.pop_front() {
                cache.transactions -= evicted.transactions.len();
            }
        }
    }

    /// A block's hash.
    pub(crate) fn hash(&self, number: u64) -> Option<B256> {
        if number == self.head.number {
            return Some(self.head.seal());
        }
        self.rows.hash(number)
    }

    /// The block with this hash.
    pub(crate) fn number(&self, hash: B256) -> Option<u64> {
        let wanted = fingerprint(hash);
        let mut upto = self.fingerprints.len();
        while let Some(index) = self.fingerprints.get(..upto)?.iter().rposition(|known| *known == wanted) {
            let number = index as u64;
            if self.hash(number) == Some(hash) {
                return Some(number);
            }
            upto = index;
        }
        None
    }

    /// Where a transaction was mined.
    pub(crate) fn transaction(&self, hash: B256) -> Option<(u64, u32)> {
        self.transactions.get(&hash).copied()
    }

    /// The blocks of a range in which one of these contracts (any, when none is named) logged something.
    pub(crate) fn logging_blocks(&self, emitters: &[Address], from: u64, to: u64) -> Vec<u64> {
        let within = |blocks: &Vec<u64>| {
            let start = blocks.partition_point(|number| *number < from);
            let end = blocks.partition_point(|number| *number <= to);
            blocks.get(start..end).unwrap_or_default().to_vec()
        };
        let mut blocks: Vec<u64> = if emitters.is_empty() {
            self.emitters.values().flat_map(within).collect()
        } else {
            emitters.iter().filter_map(|emitter| self.emitters.get(emitter)).flat_map(within).collect()
        };
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// A block's header.
    pub(crate) fn header(&self, number: u64) -> anyhow::Result<Option<Sealed<Header>>> {
        if number == self.head.number {
            return Ok(Some(self.head.clone()));
        }
        self.read_header(number)
    }

    fn read_header(&self, number: u64) -> anyhow::Result<Option<Sealed<Header>>> {
        match self.rows.content(number) {
            Some(content) => {
                let Some(block) = self.block(number)? else { return Ok(None) };
                Ok(Some(Sealed::new_unchecked(block.header.clone(), content.hash)))
            }
            None => Ok(self.rows.empty_header(number)),
        }
    }

    /// A whole block.
    pub(crate) fn block(&self, number: u64) -> anyhow::Result<Option<Arc<Block>>> {
        let Some(content) = self.rows.content(number) else {
            return Ok(self.rows.empty_header(number).map(|header| {
                Arc::new(Block { header: header.into_inner(), transactions: Vec::new(), credits: Vec::new() })
            }));
        };
        let cached = {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.blocks.iter().rev().find(|(cached, _)| *cached == number).map(|(_, block)| Arc::clone(block))
        };
        if let Some(block) = cached {
            return Ok(Some(block));
        }
        let block = Arc::new(Body::decode(&self.journal.read(content.place)?)?.block);
        self.remember(number, Arc::clone(&block));
        Ok(Some(block))
    }

    /// The blocks with content above this one, ascending, as they stand in the log.
    pub(crate) fn contents_after(&self, number: u64) -> anyhow::Result<Vec<Body>> {
        let contents = self.rows.contents_after(number);
        contents.into_iter().map(|content| Body::decode(&self.journal.read(content.place)?)).collect()
    }

    /// Forgets every block above this one; the head follows with [`Self::settle`].
    pub(crate) fn truncate(&mut self, head: u64, orphans: &[Body]) {
        for hash in orphans.iter().flat_map(|orphan| &orphan.summary.transactions) {
            self.transactions.remove(hash);
        }
        self.emitters.retain(|_, blocks| {
            blocks.truncate(blocks.partition_point(|number| *number <= head));
            !blocks.is_empty()
        });
        self.fingerprints.truncate(usize::try_from(head + 1).unwrap_or(usize::MAX));
        self.rows.truncate(head);
        self.reorgs.push(head);
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = Cache::default();
    }
}
