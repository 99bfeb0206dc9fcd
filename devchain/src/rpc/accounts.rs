//! What an account holds.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
};
use serde_json::{Value, json};

use super::{Params, RpcError, quantity};
use crate::{
    ledger::{Ledger, View},
    node::Node,
};

pub(super) fn balance(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let address = params.required::<Address>(0)?;
    let ledger = node.ledger();
    Ok(quantity(state_at(&ledger, params.optional(1)?)?.info(&address).balance))
}

pub(super) fn nonce(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let address = params.required::<Address>(0)?;
    let block = params.optional::<BlockId>(1)?;
    let pool = node.pool();
    let ledger = node.ledger();
    let nonce = state_at(&ledger, block)?.info(&address).nonce;
    Ok(quantity(if block.is_some_and(|block| block.is_pending()) { pool.next_nonce(address, nonce) } else { nonce }))
}

pub(super) fn code(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let address = params.required::<Address>(0)?;
    let ledger = node.ledger();
    let view = state_at(&ledger, params.optional(1)?)?;
    Ok(json!(view.code(&view.info(&address).code_hash).original_bytes()))
}

pub(super) fn storage(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let address = params.required::<Address>(0)?;
    let slot = params.required::<U256>(1)?;
    let ledger = node.ledger();
    Ok(json!(B256::from(state_at(&ledger, params.optional(2)?)?.slot(&address, &slot))))
}

/// The state that a block parameter means. The pending one is that of the last block.
pub(super) fn state_at(ledger: &Ledger, block: Option<BlockId>) -> Result<View<'_>, RpcError> {
    let number = super::blocks::resolve(ledger, block.unwrap_or_default())?;
    let view = ledger.at(number)?;
    view.ok_or_else(|| RpcError::server(format!("historical state of block {number} is not available")))
}
