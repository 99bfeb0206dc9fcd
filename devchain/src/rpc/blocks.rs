//! Blocks and how they are named.

use std::sync::Arc;

use alloy::{
    consensus::{Header, Sealable, Sealed},
    eips::{BlockId, BlockNumberOrTag},
    network::primitives::BlockTransactions,
    primitives::{B256, U256},
    rpc::types as shown,
};
use alloy_rlp::Encodable as _;
use serde_json::Value;

use super::{Params, RpcError, quantity, transactions};
use crate::{
    block::{Block, next_base_fee},
    ledger::Ledger,
    node::Node,
};

/// How far behind the head blocks count as safe and as final, as in Anvil.
const SAFE_DEPTH: u64 = 32;
const FINAL_DEPTH: u64 = 64;

pub(super) fn by_number(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let tag = params.required::<BlockNumberOrTag>(0)?;
    let full = params.optional(1)?.unwrap_or(false);
    if tag.is_pending() {
        return pending(node, full);
    }
    let ledger = node.ledger();
    show(&ledger, number_of(&ledger, tag), full)
}

pub(super) fn by_hash(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let hash = params.required::<B256>(0)?;
    let full = params.optional(1)?.unwrap_or(false);
    let ledger = node.ledger();
    ledger.history.number(hash).map_or(Ok(Value::Null), |number| show(&ledger, number, full))
}

pub(super) fn count_by_number(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let tag = params.required::<BlockNumberOrTag>(0)?;
    let ledger = node.ledger();
    let block = ledger.history.block(number_of(&ledger, tag))?;
    Ok(block.map_or(Value::Null, |block| quantity(block.transactions.len())))
}

pub(super) fn count_by_hash(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let ledger = node.ledger();
    let Some(number) = ledger.history.number(params.required::<B256>(0)?) else { return Ok(Value::Null) };
    Ok(ledger.history.block(number)?.map_or(Value::Null, |block| quantity(block.transactions.len())))
}

pub(super) fn receipts(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let block = params.required::<BlockId>(0)?;
    let ledger = node.ledger();
    let Ok(number) = resolve(&ledger, block) else { return Ok(Value::Null) };
    let Some((header, block)) = load(&ledger, number)? else { return Ok(Value::Null) };
    Ok(serde_json::to_value(transactions::receipts(&header, &block).collect::<Vec<_>>())?)
}

/// The number that a tag means; there may be no such block.
pub(super) fn number_of(ledger: &Ledger, tag: BlockNumberOrTag) -> u64 {
    let head = ledger.history.head().number;
    match tag {
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head,
        BlockNumberOrTag::Safe => head.saturating_sub(SAFE_DEPTH),
        BlockNumberOrTag::Finalized => head.saturating_sub(FINAL_DEPTH),
        BlockNumberOrTag::Earliest => 0,
        BlockNumberOrTag::Number(number) => number,
    }
}

/// The number of an existing block.
pub(super) fn resolve(ledger: &Ledger, block: BlockId) -> Result<u64, RpcError> {
    match block {
        BlockId::Hash(hash) => {
            let number = ledger.history.number(hash.block_hash);
            number.ok_or_else(|| RpcError::server("header for hash not found"))
        }
        BlockId::Number(tag) => {
            let number = number_of(ledger, tag);
            let exists = number <= ledger.history.head().number;
            if exists { Ok(number) } else { Err(RpcError::server("header not found")) }
        }
    }
}

pub(super) type Loaded = (Sealed<Header>, Arc<Block>);

/// A block with its header.
pub(super) fn load(ledger: &Ledger, number: u64) -> Result<Option<Loaded>, RpcError> {
    let Some(block) = ledger.history.block(number)? else { return Ok(None) };
    let hash = ledger.history.hash(number).unwrap_or_default();
    Ok(Some((Sealed::new_unchecked(block.header.clone(), hash), block)))
}

fn show(ledger: &Ledger, number: u64, full: bool) -> Result<Value, RpcError> {
    let Some((header, block)) = load(ledger, number)? else { return Ok(Value::Null) };
    let transactions = if full {
        BlockTransactions::Full(transactions::mined(&header, &block))
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|mined| *mined.envelope.tx_hash()).collect())
    };
    let size = block.size();
    to_json(header, size, transactions)
}

/// The block that would be next, with what waits for it. It has not been executed, so its roots are those of an empty
/// one.
fn pending(node: &Node, full: bool) -> Result<Value, RpcError> {
    let pool = node.pool();
    let ledger = node.ledger();
    let head = ledger.history.head();
    let timestamp = crate::clock::wall_clock().max(head.timestamp + 1);
    let header = ledger.history.next_header(timestamp).seal_slow();
    let ready = pool.ready(next_base_fee(head), |sender| ledger.state.info(&sender).nonce);
    let transactions = if full {
        BlockTransactions::Full(ready.iter().map(|pooled| transactions::waiting(pooled)).collect())
    } else {
        BlockTransactions::Hashes(ready.iter().map(|pooled| *pooled.envelope.tx_hash()).collect())
    };
    let size = header.length() + ready.iter().map(|pooled| pooled.envelope.length()).sum::<usize>();
    to_json(header, size, transactions)
}

fn to_json(
    header: Sealed<Header>,
    size: usize,
    transactions: BlockTransactions<shown::Transaction>,
) -> Result<Value, RpcError> {
    let header = shown::Header::from_consensus(header, None, Some(U256::from(size)));
    Ok(serde_json::to_value(shown::Block::new(header, transactions).with_withdrawals(Some(Vec::new().into())))?)
}
