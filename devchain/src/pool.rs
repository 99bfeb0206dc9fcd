//! Transactions that wait for a block, with the rules and texts of geth's pool.

mod admission;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    primitives::{Address, B256, U256},
};

use crate::{block::Block, state::Info};
pub(crate) use admission::{Admission, Refusal};

/// Waiting transactions in all; more are refused, as memory is bounded.
const CAPACITY: usize = 16_384;
/// By how much both fees of a replacement have to be higher.
const REPLACEMENT_BUMP_PERCENT: u128 = 10;

/// A checked transaction.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) envelope: TxEnvelope,
    pub(crate) sender: Address,
}

/// The pool. Transactions whose nonce leaves a gap wait in it too.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    senders: HashMap<Address, Queue>,
    by_hash: HashMap<B256, Arc<Pooled>>,
    arrivals: u64,
}

/// One sender's transactions by nonce.
#[derive(Debug, Default)]
struct Queue {
    entries: BTreeMap<u64, Entry>,
    /// What they can cost together. Never more than the sender had when they came, so it cannot overflow.
    cost: U256,
}

#[derive(Debug)]
struct Entry {
    pooled: Arc<Pooled>,
    arrival: u64,
}

impl Pooled {
    /// The most wei that the transaction can take from its sender.
    pub(crate) fn cost(&self) -> U256 {
        let gas = U256::from(self.envelope.gas_limit()).saturating_mul(U256::from(self.envelope.max_fee_per_gas()));
        gas.saturating_add(self.envelope.value())
    }

    /// The priority fee that the miner gets for each gas; none when the base fee is not covered.
    fn tip(&self, base_fee: u64) -> Option<u128> {
        self.envelope.effective_tip_per_gas(base_fee)
    }

    fn is_bump_of(&self, old: &Self) -> bool {
        let fees = |pooled: &Self| {
            let max_fee = pooled.envelope.max_fee_per_gas();
            (max_fee, pooled.envelope.max_priority_fee_per_gas().unwrap_or(max_fee))
        };
        let (max_fee, tip) = fees(self);
        let (old_max_fee, old_tip) = fees(old);
        let threshold = |old: u128| old.saturating_mul(100 + REPLACEMENT_BUMP_PERCENT) / 100;
        max_fee > old_max_fee && tip > old_tip && max_fee >= threshold(old_max_fee) && tip >= threshold(old_tip)
    }
}

impl Pool {
    /// Adds a transaction that was admitted.
    pub(crate) fn insert(&mut self, pooled: Pooled) -> Result<B256, Refusal> {
        let hash = *pooled.envelope.tx_hash();
        let nonce = pooled.envelope.nonce();
        let old = self.at(pooled.sender, nonce).cloned();
        match &old {
            Some(old) if !pooled.is_bump_of(old) => return Err(Refusal::ReplacementUnderpriced),
            None if self.by_hash.len() >= CAPACITY => return Err(Refusal::PoolFull),
            Some(old) => drop(self.by_hash.remove(old.envelope.tx_hash())),
            None => {}
        }
        let queue = self.senders.entry(pooled.sender).or_default();
        queue.cost = queue.cost.saturating_sub(old.map(|old| old.cost()).unwrap_or_default());
        queue.cost = queue.cost.saturating_add(pooled.cost());
        let pooled = Arc::new(pooled);
        self.by_hash.insert(hash, Arc::clone(&pooled));
        self.arrivals += 1;
        queue.entries.insert(nonce, Entry { pooled, arrival: self.arrivals });
        Ok(hash)
    }

    /// A waiting transaction.
    pub(crate) fn get(&self, hash: B256) -> Option<&Arc<Pooled>> {
        self.by_hash.get(&hash)
    }

    /// The transaction that waits with this nonce.
    fn at(&self, sender: Address, nonce: u64) -> Option<&Arc<Pooled>> {
        self.senders.get(&sender)?.entries.get(&nonce).map(|entry| &entry.pooled)
    }

    /// What a sender's waiting transactions can cost together.
    fn cost(&self, sender: Address) -> U256 {
        self.senders.get(&sender).map(|queue| queue.cost).unwrap_or_default()
    }

    /// The nonce after a sender's last transaction that no gap holds up.
    pub(crate) fn next_nonce(&self, sender: Address, state_nonce: u64) -> u64 {
        let waiting = self.senders.get(&sender);
        let contiguous = waiting.into_iter().flat_map(|queue| queue.entries.range(state_nonce..)).zip(state_nonce..);
        state_nonce + contiguous.take_while(|((nonce, _), expected)| *nonce == expected).count() as u64
    }

    /// How many transactions wait: those that could go into a block now, and those behind a gap.
    pub(crate) fn counts(&self, nonce: impl Fn(Address) -> u64) -> (usize, usize) {
        let pending = self.senders.keys().map(|sender| {
            let nonce = nonce(*sender);
            usize::try_from(self.next_nonce(*sender, nonce) - nonce).unwrap_or_default()
        });
        let pending = pending.sum();
        (pending, self.by_hash.len() - pending)
    }

    /// What can go into a block at this base fee, best tip first, each sender's in the order of their nonces.
    pub(crate) fn ready(&self, base_fee: u64, nonce: impl Fn(Address) -> u64) -> Vec<Arc<Pooled>> {
        let mut heads = BinaryHeap::new();
        let push = |heads: &mut BinaryHeap<_>, sender: Address, nonce: u64| {
            let entry = self.senders.get(&sender).and_then(|queue| queue.entries.get(&nonce));
            if let Some((entry, tip)) = entry.and_then(|entry| Some((entry, entry.pooled.tip(base_fee)?))) {
                heads.push((tip, Reverse(entry.arrival), sender, nonce));
            }
        };
        for sender in self.senders.keys() {
            push(&mut heads, *sender, nonce(*sender));
        }
        let mut ready = Vec::new();
        while let Some((_, _, sender, nonce)) = heads.pop() {
            if let Some(pooled) = self.at(sender, nonce) {
                ready.push(Arc::clone(pooled));
            }
            push(&mut heads, sender, nonce + 1);
        }
        ready
    }

    /// Takes back the transactions of a block that a reorg has dropped.
    pub(crate) fn take_back(&mut self, block: &Block) {
        for mined in &block.transactions {
            let pooled = Pooled { envelope: mined.envelope.clone(), sender: mined.sender };
            if let Err(refusal) = self.insert(pooled) {
                tracing::warn!(hash = %mined.envelope.tx_hash(), %refusal, "a reorg lost a transaction");
            }
        }
    }

    /// Drops a sender's transactions that can no longer be mined: their nonce is used, or the funds for them are gone.
    pub(crate) fn reconcile(&mut self, sender: Address, account: Info) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        let waiting = std::mem::take(&mut queue.entries);
        for (nonce, entry) in waiting {
            let cost = entry.pooled.cost();
            if nonce >= account.nonce && cost <= account.balance {
                queue.entries.insert(nonce, entry);
            } else {
                queue.cost = queue.cost.saturating_sub(cost);
                self.by_hash.remove(entry.pooled.envelope.tx_hash());
            }
        }
        if queue.entries.is_empty() {
            self.senders.remove(&sender);
        }
    }

    /// Does so for every sender.
    pub(crate) fn reconcile_all(&mut self, account: impl Fn(Address) -> Info) {
        let senders: Vec<Address> = self.senders.keys().copied().collect();
        for sender in senders {
            self.reconcile(sender, account(sender));
        }
    }
}
