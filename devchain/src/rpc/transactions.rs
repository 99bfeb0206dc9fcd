//! Transactions and their receipts.

use alloy::{
    consensus::{Header, ReceiptEnvelope, ReceiptWithBloom, Sealed, Transaction as _, transaction::Recovered},
    eips::BlockNumberOrTag,
    primitives::{B256, Bytes, U64, logs_bloom},
    rpc::types as shown,
};
use serde_json::{Value, json};

use super::{Params, RpcError, blocks, quantity};
use crate::{
    BlockTime,
    block::{Block, Mined},
    ledger::Ledger,
    node::Node,
    pool::{Admission, Pooled},
};

pub(super) fn send_raw(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let raw = params.required::<Bytes>(0)?;
    let admission = Admission::new(&raw, node.chain_id)?;
    let hash = {
        let mut pool = node.pool();
        let account = node.ledger().state.info(&admission.sender());
        let pooled = admission.admit(&pool, account)?;
        pool.insert(pooled)?
    };
    if node.block_time == BlockTime::Instant {
        node.mine_at_once(hash)?;
    }
    Ok(json!(hash))
}

pub(super) fn by_hash(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let hash = params.required::<B256>(0)?;
    let pool = node.pool();
    let ledger = node.ledger();
    match (pool.get(hash), ledger.history.transaction(hash)) {
        (Some(pooled), _) => Ok(serde_json::to_value(waiting(pooled))?),
        (None, Some((number, index))) => at(&ledger, number, u64::from(index)),
        (None, None) => Ok(Value::Null),
    }
}

pub(super) fn by_number_and_index(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let tag = params.required::<BlockNumberOrTag>(0)?;
    let index = params.required::<U64>(1)?.to();
    let ledger = node.ledger();
    at(&ledger, blocks::number_of(&ledger, tag), index)
}

pub(super) fn by_block_hash_and_index(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let index = params.required::<U64>(1)?.to();
    let ledger = node.ledger();
    let number = ledger.history.number(params.required::<B256>(0)?);
    number.map_or(Ok(Value::Null), |number| at(&ledger, number, index))
}

pub(super) fn receipt(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let ledger = node.ledger();
    let Some((number, index)) = ledger.history.transaction(params.required::<B256>(0)?) else {
        return Ok(Value::Null);
    };
    let Some((header, block)) = blocks::load(&ledger, number)? else { return Ok(Value::Null) };
    let found = positions(&block).find(|(position, _)| position.index == u64::from(index));
    Ok(serde_json::to_value(found.map(|(position, mined)| receipt_at(&header, position, mined)))?)
}

pub(super) fn pool_status(node: &Node) -> Result<Value, RpcError> {
    let pool = node.pool();
    let ledger = node.ledger();
    let (pending, queued) = pool.counts(|sender| ledger.state.info(&sender).nonce);
    Ok(json!({ "pending": quantity(pending), "queued": quantity(queued) }))
}

fn at(ledger: &Ledger, number: u64, index: u64) -> Result<Value, RpcError> {
    let Some((header, block)) = blocks::load(ledger, number)? else { return Ok(Value::Null) };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let found = block.transactions.get(index).map(|found| transaction(&header, index as u64, found));
    Ok(serde_json::to_value(found)?)
}

/// The transactions of a block, as clients see them.
pub(super) fn mined(header: &Sealed<Header>, block: &Block) -> Vec<shown::Transaction> {
    (0u64..).zip(&block.transactions).map(|(index, mined)| transaction(header, index, mined)).collect()
}

fn transaction(header: &Sealed<Header>, index: u64, mined: &Mined) -> shown::Transaction {
    shown::Transaction {
        inner: Recovered::new_unchecked(mined.envelope.clone(), mined.sender),
        block_hash: Some(header.seal()),
        block_number: Some(header.number),
        transaction_index: Some(index),
        effective_gas_price: Some(mined.envelope.effective_gas_price(header.base_fee_per_gas)),
        block_timestamp: Some(header.timestamp),
    }
}

/// A transaction in the pool, as clients see it.
pub(super) fn waiting(pooled: &Pooled) -> shown::Transaction {
    shown::Transaction {
        inner: Recovered::new_unchecked(pooled.envelope.clone(), pooled.sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(pooled.envelope.max_fee_per_gas()),
        block_timestamp: None,
    }
}

/// The receipts of a block, as clients see them.
pub(super) fn receipts<'a>(
    header: &'a Sealed<Header>,
    block: &'a Block,
) -> impl Iterator<Item = shown::TransactionReceipt> + 'a {
    positions(block).map(|(position, mined)| receipt_at(header, position, mined))
}

/// Where a transaction stands in its block.
#[derive(Clone, Copy)]
pub(super) struct Position {
    index: u64,
    /// Gas used up to and including it.
    cumulative_gas_used: u64,
    /// Logs before its own.
    logs: u64,
}

/// The transactions of a block with their positions.
pub(super) fn positions(block: &Block) -> impl Iterator<Item = (Position, &Mined)> {
    let mut next = Position { index: 0, cumulative_gas_used: 0, logs: 0 };
    block.transactions.iter().map(move |mined| {
        next.cumulative_gas_used += mined.gas_used;
        let position = next;
        next.index += 1;
        next.logs += mined.logs.len() as u64;
        (position, mined)
    })
}

fn receipt_at(header: &Sealed<Header>, position: Position, mined: &Mined) -> shown::TransactionReceipt {
    let receipt = shown::Receipt {
        status: mined.success.into(),
        cumulative_gas_used: position.cumulative_gas_used,
        logs: logs(header, position, mined).collect(),
    };
    shown::TransactionReceipt {
        inner: ReceiptEnvelope::from_typed(
            mined.envelope.tx_type(),
            ReceiptWithBloom::new(receipt, logs_bloom(&mined.logs)),
        ),
        transaction_hash: *mined.envelope.tx_hash(),
        transaction_index: Some(position.index),
        block_hash: Some(header.seal()),
        block_number: Some(header.number),
        gas_used: mined.gas_used,
        effective_gas_price: mined.envelope.effective_gas_price(header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from: mined.sender,
        to: mined.envelope.to(),
        contract_address: mined.created(),
    }
}

/// A transaction's logs, as clients see them.
pub(super) fn logs<'a>(
    header: &'a Sealed<Header>,
    position: Position,
    mined: &'a Mined,
) -> impl Iterator<Item = shown::Log> + 'a {
    (position.logs..).zip(&mined.logs).map(move |(log_index, log)| shown::Log {
        inner: log.clone(),
        block_hash: Some(header.seal()),
        block_number: Some(header.number),
        block_timestamp: Some(header.timestamp),
        transaction_hash: Some(*mined.envelope.tx_hash()),
        transaction_index: Some(position.index),
        log_index: Some(log_index),
        removed: false,
    })
}
