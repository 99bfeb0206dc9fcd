//! The world state in memory, and changes to it that can be applied and taken back.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use revm::bytecode::Bytecode;

/// Balance, nonce and code of an account. An empty one counts as absent (EIP-161).
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Info {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
}

impl Default for Info {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

/// An account with its storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) info: Info,
    pub(crate) storage: HashMap<U256, U256>,
}

/// All accounts.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: HashMap<Address, Contents>,
    pub(crate) codes: HashMap<B256, Bytecode>,
}

/// What one block did to the state, with the values before, so that it can be undone.
#[derive(Clone, Debug, Default, RlpEncodable, RlpDecodable)]
pub(crate) struct Changes {
    pub(crate) accounts: Vec<AccountChange>,
    pub(crate) codes: Vec<Bytes>,
}

/// What one block did to one account.
#[derive(Clone, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct AccountChange {
    pub(crate) address: Address,
    pub(crate) before: Info,
    pub(crate) after: Info,
    pub(crate) slots: Vec<SlotChange>,
}

/// What one block did to one storage slot.
#[derive(Clone, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct SlotChange {
    pub(crate) key: U256,
    pub(crate) before: U256,
    pub(crate) after: U256,
}

impl State {
    /// An account's info; the default when there is no such account.
    pub(crate) fn info(&self, address: &Address) -> Info {
        self.accounts.get(address).map(|contents| contents.info).unwrap_or_default()
    }

    /// A storage slot's value.
    pub(crate) fn slot(&self, address: &Address, key: &U256) -> U256 {
        self.accounts.get(address).and_then(|contents| contents.storage.get(key)).copied().unwrap_or_default()
    }

    /// Applies what a block did.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        for code in &changes.codes {
            self.insert_code(code.clone());
        }
        for change in &changes.accounts {
            self.set(change, change.after, |slot| slot.after);
        }
    }

    /// Takes back what a block did. Codes stay: they are found by hash only, and hurt nobody.
    pub(crate) fn undo(&mut self, changes: &Changes) {
        for change in &changes.accounts {
            self.set(change, change.before, |slot| slot.before);
        }
    }

    /// Makes a contract's code known.
    pub(crate) fn insert_code(&mut self, code: Bytes) {
        self.codes.entry(keccak256(&code)).or_insert_with(|| bytecode(code));
    }

    fn set(&mut self, change: &AccountChange, info: Info, value: impl Fn(&SlotChange) -> U256) {
        let contents = self.accounts.entry(change.address).or_default();
        contents.info = info;
        for slot in &change.slots {
            let value = value(slot);
            if value.is_zero() {
                contents.storage.remove(&slot.key);
            } else {
                contents.storage.insert(slot.key, value);
            }
        }
        if contents.info == Info::default() && contents.storage.is_empty() {
            self.accounts.remove(&change.address);
        }
    }
}

/// Code as the interpreter wants it. What looks like a delegation (EIP-7702) but is none is ordinary code.
fn bytecode(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

/// The state root of a block: a commitment to the whole history of changes, cheap to extend and different whenever the
/// state differs. It is not the root of a Merkle-Patricia trie, which would cost seconds a block on a large state;
/// nothing that talks JSON-RPC to a node checks it without asking for proofs, and proofs are not served.
pub(crate) fn root_after(parent: B256, changes: &Changes) -> B256 {
    let mut bytes = parent.to_vec();
    alloy_rlp::Encodable::encode(changes, &mut bytes);
    keccak256(bytes)
}
