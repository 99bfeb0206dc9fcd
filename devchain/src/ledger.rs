//! State and history together: what a reader sees.

use std::{collections::HashMap, convert::Infallible};

use alloy::primitives::{Address, B256, U256};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{
    history::History,
    record::Body,
    state::{Info, State},
};

/// Blocks with content behind the head whose state can still be asked for.
const STATES_KEPT: usize = 128;

/// The chain as it stands after its last block.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) state: State,
    pub(crate) history: History,
}

/// The state after some block, for reading and for the EVM.
#[derive(Debug)]
pub(crate) struct View<'a> {
    ledger: &'a Ledger,
    /// What was different then.
    accounts: HashMap<Address, Info>,
    slots: HashMap<(Address, U256), U256>,
}

impl Ledger {
    /// The state after the last block.
    pub(crate) fn latest(&self) -> View<'_> {
        View { ledger: self, accounts: HashMap::new(), slots: HashMap::new() }
    }

    /// Takes back every block above this one; the head follows with [`History::settle`].
    pub(crate) fn rewind(&mut self, head: u64, orphans: &[Body]) {
        for orphan in orphans.iter().rev() {
            self.state.undo(&orphan.changes);
        }
        self.history.truncate(head, orphans);
    }

    /// The state after an earlier block; none when too much has happened since.
    pub(crate) fn at(&self, number: u64) -> anyhow::Result<Option<View<'_>>> {
        let mut view = self.latest();
        if self.history.rows.contents_after(number).len() > STATES_KEPT {
            return Ok(None);
        }
        for later in self.history.contents_after(number)?.into_iter().rev() {
            for change in later.changes.accounts {
                view.accounts.insert(change.address, change.before);
                for slot in change.slots {
                    view.slots.insert((change.address, slot.key), slot.before);
                }
            }
        }
        Ok(Some(view))
    }
}

impl View<'_> {
    pub(crate) fn info(&self, address: &Address) -> Info {
        self.accounts.get(address).copied().unwrap_or_else(|| self.ledger.state.info(address))
    }

    pub(crate) fn slot(&self, address: &Address, key: &U256) -> U256 {
        self.slots.get(&(*address, *key)).copied().unwrap_or_else(|| self.ledger.state.slot(address, key))
    }

    pub(crate) fn code(&self, hash: &B256) -> Bytecode {
        self.ledger.state.codes.get(hash).cloned().unwrap_or_default()
    }
}

impl DatabaseRef for View<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        let info = self.info(&address);
        if info == Info::default() {
            return Ok(None);
        }
        let code = self.code(&info.code_hash);
        Ok(Some(AccountInfo::new(info.balance, info.nonce, info.code_hash, code)))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.code(&code_hash))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.slot(&address, &index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.ledger.history.hash(number).unwrap_or_default())
    }
}
