//! Brings a chain back from its data folder, or begins a new one.

use std::sync::Arc;

use alloy::primitives::{U256, uint};
use anyhow::{Context, bail, ensure};

use crate::{
    Account,
    block::{Credit, genesis_header},
    clock::wall_clock,
    evm::execute,
    history::History,
    journal::{Journal, Place},
    ledger::Ledger,
    record::{Body, Record, Start, Summary, VERSION, encode, encode_content},
    state::State,
};

/// How long ago a chain begins, seconds: blocks of its set-up have these timestamps.
const SETUP_S: u64 = 3_600;

/// What each prefunded account gets: 10,000 ether.
pub(crate) const PREFUND_WEI: U256 = uint!(10_000_000_000_000_000_000_000_U256);

/// A chain while its log is read.
struct Restore<'a> {
    journal: &'a Journal,
    ledger: Ledger,
    chain_id: u64,
    started: bool,
    /// Up to where in the log the state already reaches.
    state_offset: u64,
}

/// Reads the log.
pub(crate) fn restore(
    journal: &Arc<Journal>,
    chain_id: u64,
    (state, state_offset): (State, u64),
    accounts: &[Account],
) -> anyhow::Result<Ledger> {
    let ledger = Ledger { state, history: History::new(Arc::clone(journal)) };
    let mut restore = Restore { journal, ledger, chain_id, started: false, state_offset };
    journal.replay(state_offset, |place, payload| restore.visit(place, payload))?;
    if !restore.started {
        journal.append(&encode(b'S', &Start { version: VERSION, chain_id }))?;
    }
    if restore.ledger.history.rows.last_number().is_none() {
        restore.begin(accounts)?;
    }
    restore.ledger.history.settle()?;
    Ok(restore.ledger)
}

impl Restore<'_> {
    fn visit(&mut self, place: Place, payload: &[u8]) -> anyhow::Result<()> {
        let history = &mut self.ledger.history;
        match Record::decode(payload)? {
            Record::Start(start) => {
                ensure!(start.version == VERSION, "version {} of the block log is unknown", start.version);
                ensure!(start.chain_id == self.chain_id, "this data folder holds a chain with id {}", start.chain_id);
                self.started = true;
            }
            Record::Content(summary) => {
                history.push_content(&summary, place);
                if place.end() > self.state_offset {
                    self.ledger.state.apply(&Body::decode(payload)?.changes);
                }
            }
            Record::Empty(empty) => {
                if empty.parent.is_none() && !history.extends_run(empty.timestamp) {
                    bail!("an empty block follows nothing");
                }
                history.push_empty(empty.timestamp, empty.fingerprint, empty.parent);
            }
            Record::Reorg(reorg) => {
                history.fork = reorg.fork;
                let orphans = history.contents_after(reorg.head)?;
                // The state of a snapshot that was taken later has no trace of the dropped blocks.
                if place.end() > self.state_offset {
                    self.ledger.rewind(reorg.head, &orphans);
                } else {
                    history.truncate(reorg.head, &orphans);
                }
            }
        }
        Ok(())
    }

    /// Makes block 0, an hour ago to leave room for setting up, which gives the accounts their ether.
    fn begin(&mut self, accounts: &[Account]) -> anyhow::Result<()> {
        let credits = accounts.iter().map(|account| Credit { address: account.address, wei: PREFUND_WEI }).collect();
        let header = genesis_header(wall_clock() - SETUP_S);
        let (block, changes) = execute(self.ledger.latest(), self.chain_id, header, credits, &[]);
        let summary = Summary::of(&block, block.header.hash_slow());
        let place = self.journal.append(&encode_content(&summary, &block, &changes)).context("cannot write block 0")?;
        self.ledger.state.apply(&changes);
        self.ledger.history.push_content(&summary, place);
        Ok(())
    }
}
