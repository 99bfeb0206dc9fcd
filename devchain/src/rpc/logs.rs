//! Logs by filter.

use alloy::{
    primitives::Address,
    rpc::types::{Filter, FilterBlockOption, Log},
};
use serde_json::Value;

use super::{Params, RpcError, blocks, transactions};
use crate::{ledger::Ledger, node::Node};

/// The widest range of blocks in one question.
const RANGE_MAX: u64 = 100_000;
/// The most logs in one answer.
const LOGS_MAX: usize = 10_000;

pub(super) fn get(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let filter = params.required::<Filter>(0)?;
    let ledger = node.ledger();
    Ok(serde_json::to_value(matching(&ledger, &filter)?)?)
}

/// The logs that a filter lets through.
pub(super) fn matching(ledger: &Ledger, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    let (from, to) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = ledger.history.number(hash).ok_or_else(|| RpcError::server("unknown block"))?;
            (number, number)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let from = blocks::number_of(ledger, from_block.unwrap_or_default());
            let to = blocks::number_of(ledger, to_block.unwrap_or_default());
            if from > to {
                return Err(RpcError::params("invalid block range params"));
            }
            (from, to)
        }
    };
    within(ledger, filter, from, to.min(ledger.history.head().number))
}

/// The logs of a range that a filter lets through, wherever it looks itself.
pub(super) fn within(ledger: &Ledger, filter: &Filter, from: u64, to: u64) -> Result<Vec<Log>, RpcError> {
    if to.saturating_sub(from) >= RANGE_MAX {
        return Err(RpcError::limit(format!("query exceeds max block range {RANGE_MAX}")));
    }
    let emitters: Vec<Address> = filter.address.iter().copied().collect();
    let mut logs = Vec::new();
    for number in ledger.history.logging_blocks(&emitters, from, to) {
        let Some((header, block)) = blocks::load(ledger, number)? else { continue };
        for (position, mined) in transactions::positions(&block) {
            let all = transactions::logs(&header, position, mined);
            logs.extend(all.filter(|log| filter.matches(&log.inner)));
        }
        if logs.len() > LOGS_MAX {
            return Err(RpcError::limit(format!("query returned more than {LOGS_MAX} results")));
        }
    }
    Ok(logs)
}
