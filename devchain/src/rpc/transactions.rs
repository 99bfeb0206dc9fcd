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
    let receipt = receipts(&header, &block).into_iter().nth(usize::try_from(index).unwrap_or(usize::MAX));
    Ok(serde_json::to_value(receipt)?)
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
pub(super) fn receipts(header: &Sealed<Header>, block: &Block) -> Vec<shown::TransactionReceipt> {
    let mut cumulative_gas_used = 0;
    let mut log_index = 0;
    let mut receipts = Vec::with_capacity(block.transactions.len());
    for (index, mined) in (0u64..).zip(&block.transactions) {
        cumulative_gas_used += mined.gas_used;
        let logs = logs(header, index, mined, &mut log_index);
        let receipt = shown::Receipt { status: mined.success.into(), cumulative_gas_used, logs };
        let inner = ReceiptWithBloom::new(receipt, logs_bloom(&mined.logs));
        receipts.push(shown::TransactionReceipt {
            inner: ReceiptEnvelope::from_typed(mined.envelope.tx_type(), inner),
            transaction_hash: *mined.envelope.tx_hash(),
            transaction_index: Some(index),
            block_hash: Some(header.seal()),
            block_number: Some(header.number),
            gas_used: mined.gas_used,
            effective_gas_price: mined.envelope.effective_gas_price(header.base_fee_per_gas),
            blob_gas_used: None,
            blob_gas_price: None,
            from: mined.sender,
            to: mined.envelope.to(),
            contract_address: mined.created(),
        });
    }
    receipts
}

/// A transaction's logs, as clients see them; counts on from the logs before it in the block.
pub(super) fn logs(header: &Sealed<Header>, index: u64, mined: &Mined, log_index: &mut u64) -> Vec<shown::Log> {
    let mut logs = Vec::with_capacity(mined.logs.len());
    for log in &mined.logs {
        logs.push(shown::Log {
            inner: log.clone(),
            block_hash: Some(header.seal()),
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            transaction_hash: Some(*mined.envelope.tx_hash()),
            transaction_index: Some(index),
            log_index: Some(*log_index),
            removed: false,
        });
        *log_index += 1;
    }
    logs
}
