//! The table of blocks: one row for a block with content, one row for up to 64 empty ones at equal distances in time.

use alloy::{
    consensus::{Header, Sealable, Sealed},
    primitives::B256,
};

use crate::{
    block::{Inheritance, base_fee_after},
    journal::Place,
    record::Summary,
};

/// Empty blocks in one row: the most hashes that have to be computed to know one.
const RUN_MAX: u64 = 64;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    first: u64,
    count: u64,
    /// Of the first block; each further one is a step later.
    timestamp: u64,
    step: u64,
    /// Of the first block.
    base_fee: u64,
    fork: u32,
    /// The hash of the block before the first.
    parent: B256,
    state_root: B256,
    content: Option<Content>,
}

/// Where a block's content is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) hash: B256,
    pub(crate) place: Place,
    gas_used: u64,
}

impl Rows {
    /// The number of the last block.
    pub(crate) fn last_number(&self) -> Option<u64> {
        self.rows.last().map(|row| row.first + row.count - 1)
    }

    /// Whether an empty block with this timestamp goes on with the last row.
    pub(crate) fn extends_run(&self, timestamp: u64, fork: u32) -> bool {
        self.rows.last().is_some_and(|row| {
            row.content.is_none()
                && row.fork == fork
                && row.count < RUN_MAX
                && (row.count == 1 || timestamp == row.timestamp + row.count * row.step)
        })
    }

    /// Adds an empty block; one that begins a run comes with its parent's hash.
    pub(crate) fn push_empty(&mut self, timestamp: u64, new_run_after: Option<B256>, fork: u32) {
        let Some(last) = self.rows.last_mut() else { return };
        let Some(parent) = new_run_after else {
            if last.count == 1 {
                last.step = timestamp.saturating_sub(last.timestamp);
            }
            last.count += 1;
            return;
        };
        let row = Row {
            first: last.first + last.count,
            count: 1,
            timestamp,
            step: 0,
            base_fee: last.base_fee_after(),
            fork,
            parent,
            state_root: last.state_root,
            content: None,
        };
        self.rows.push(row);
    }

    /// Adds a block with content.
    pub(crate) fn push_content(&mut self, summary: &Summary, place: Place, fork: u32) {
        self.rows.push(Row {
            first: summary.number,
            count: 1,
            timestamp: summary.timestamp,
            step: 0,
            base_fee: summary.base_fee,
            fork,
            parent: summary.parent,
            state_root: summary.state_root,
            content: Some(Content { hash: summary.hash, place, gas_used: summary.gas_used }),
        });
    }

    /// Forgets every block above this one.
    pub(crate) fn truncate(&mut self, head: u64) {
        self.rows.truncate(self.rows.partition_point(|row| row.first <= head));
        if let Some(last) = self.rows.last_mut() {
            last.count = last.count.min(head - last.first + 1);
        }
    }

    /// The content of a block, when it has any.
    pub(crate) fn content(&self, number: u64) -> Option<Content> {
        self.rows.get(self.position(number)?)?.content
    }

    /// The blocks with content above this one, ascending.
    pub(crate) fn contents_after(&self, number: u64) -> Vec<Content> {
        let start = self.rows.partition_point(|row| row.first <= number);
        self.rows.iter().skip(start).filter_map(|row| row.content).collect()
    }

    /// A block's base fee, without computing hashes.
    pub(crate) fn base_fee(&self, number: u64) -> Option<u64> {
        let row = self.rows.get(self.position(number)?)?;
        Some((row.first..number).fold(row.base_fee, |base_fee, _| base_fee_after(0, base_fee)))
    }

    /// A block's hash.
    pub(crate) fn hash(&self, number: u64) -> Option<B256> {
        let position = self.position(number)?;
        let row = self.rows.get(position)?;
        if let Some(content) = row.content {
            return Some(content.hash);
        }
        match self.rows.get(position + 1) {
            Some(next) if next.first == number + 1 => Some(next.parent),
            _ => self.empty_header(number).map(|header| header.seal()),
        }
    }

    /// The header of an empty block.
    pub(crate) fn empty_header(&self, number: u64) -> Option<Sealed<Header>> {
        let row = self.rows.get(self.position(number)?)?;
        if row.content.is_some() {
            return None;
        }
        let mut inheritance = Inheritance {
            number: row.first,
            parent: row.parent,
            timestamp: row.timestamp,
            base_fee: row.base_fee,
            state_root: row.state_root,
            fork: row.fork,
        };
        let mut header = inheritance.header().seal_slow();
        while inheritance.number < number {
            inheritance = Inheritance::of_child(&header, inheritance.timestamp + row.step, row.fork);
            header = inheritance.header().seal_slow();
        }
        Some(header)
    }

    fn position(&self, number: u64) -> Option<usize> {
        let position = self.rows.partition_point(|row| row.first <= number).checked_sub(1)?;
        self.rows.get(position).filter(|row| number < row.first + row.count).map(|_| position)
    }
}

impl Row {
    fn base_fee_after(&self) -> u64 {
        let gas_used = self.content.map_or(0, |content| content.gas_used);
        (0..self.count).fold(self.base_fee, |base_fee, _| base_fee_after(gas_used, base_fee))
    }
}
