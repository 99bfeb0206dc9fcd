//! Filters that are polled for what is new.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy::{primitives::U256, rpc::types::Filter};
use serde_json::{Value, json};

use super::{Params, RpcError, logs, quantity};
use crate::{clock::wall_clock, ledger::Ledger, node::Node};

/// A filter that nobody polls is dropped, as in geth.
const IDLE_MAX_S: u64 = 300;

/// The installed filters.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    installed: Mutex<HashMap<U256, Installed>>,
}

#[derive(Debug)]
struct Installed {
    /// None asks for the hashes of blocks.
    logs: Option<Filter>,
    /// The first block that was not looked at, and how many reorgs there had been.
    next: u64,
    fork: u32,
    polled_at: u64,
}

impl Filters {
    fn lock(&self) -> MutexGuard<'_, HashMap<U256, Installed>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn install(&self, ledger: &Ledger, logs: Option<Filter>) -> Value {
        let mut installed = self.lock();
        let now = wall_clock();
        installed.retain(|_, filter| now.saturating_sub(filter.polled_at) <= IDLE_MAX_S);
        let id = U256::from_be_bytes(rand::random::<[u8; 32]>());
        let next = ledger.history.head().number + 1;
        installed.insert(id, Installed { logs, next, fork: ledger.history.fork(), polled_at: now });
        quantity(id)
    }
}

pub(super) fn new_logs(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let filter = params.required::<Filter>(0)?;
    Ok(node.filters.install(&node.ledger(), Some(filter)))
}

pub(super) fn new_blocks(node: &Node) -> Result<Value, RpcError> {
    Ok(node.filters.install(&node.ledger(), None))
}

pub(super) fn changes(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let id = params.required::<U256>(0)?;
    let ledger = node.ledger();
    let mut installed = node.filters.lock();
    let filter = installed.get_mut(&id).ok_or_else(not_found)?;
    let (from, to) = filter.news(&ledger);
    let answer = match &filter.logs {
        Some(_) if from > to => json!([]),
        Some(logs) => serde_json::to_value(logs::within(&ledger, logs, from, to)?)?,
        None => json!((from..=to).filter_map(|number| ledger.history.hash(number)).collect::<Vec<_>>()),
    };
    (filter.next, filter.fork, filter.polled_at) = (to + 1, ledger.history.fork(), wall_clock());
    Ok(answer)
}

pub(super) fn all_logs(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let id = params.required::<U256>(0)?;
    let ledger = node.ledger();
    let filter = node.filters.lock().get(&id).and_then(|filter| filter.logs.clone()).ok_or_else(not_found)?;
    Ok(serde_json::to_value(logs::matching(&ledger, &filter)?)?)
}

pub(super) fn uninstall(node: &Node, params: &Params) -> Result<Value, RpcError> {
    Ok(json!(node.filters.lock().remove(&params.required::<U256>(0)?).is_some()))
}

fn not_found() -> RpcError {
    RpcError::server("filter not found")
}

impl Installed {
    /// The blocks since the last poll, together with those that reorgs have put in the place of seen ones.
    fn news(&self, ledger: &Ledger) -> (u64, u64) {
        let head = ledger.history.head().number;
        let from = ledger.history.replaced_since(self.fork).map_or(self.next, |replaced| replaced.min(self.next));
        (from, head)
    }
}
