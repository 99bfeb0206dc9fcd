//! Brings a chain back from its data folder, or begins a new one.

use std::sync::Arc;

use alloy::primitives::{U256, uint};
use anyhow::{Context, bail, ensure};

use crate::{
    Account,
    append::Finished,
    block::{Credit, genesis_header},
    clock::wall_clock,
    evm::execute,
    history::History,
    journal::{Journal, Place},
    ledger::Ledger,
    record::{Body, Record, Start, VERSION, encode},
    state::State,
};

/// How long ago a chain begins, seconds: blocks of its set-up have these timestamps.
const SETUP_S: u64 = 3_600;

/// What each prefunded account gets: 10,000 ether.
pub(crate) const PREFUND_WEI: U256 = uint!(10_000_000_000_000_000_000_000_U256);

/// A chain while its log is read.
struct Restore {
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
    let history = History::new(Arc::clone(journal));
    let ledger = Ledger { state, history };
    let mut restore = Restore { ledger, chain_id, started: false, state_offset };
    journal.replay(state_offset, |place, payload| restore.visit(place, payload))?;
    if !restore.started {
        journal.append(&encode(b'S', &Start { version: VERSION, chain_id }))?;
    }
    match restore.ledger.history.rows.last_number() {
        Some(_) => restore.ledger.history.settle()?,
        None => restore.begin(accounts)?,
    }
    Ok(restore.ledger)
}

impl Restore {
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
                let orphans = history.contents_after(reorg.head)?;
                ensure!(reorg.fork == history.fork() + 1, "reorg {} is out of turn", reorg.fork);
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
        self.ledger.append(Finished::new(block, changes)).context("cannot write block 0")?;
        Ok(())
    }
}
