//! Calls that leave no trace.

use alloy::{eips::BlockId, rpc::types::TransactionRequest};
use serde_json::{Value, json};

use super::{Params, RpcError, accounts::state_at, blocks, quantity};
use crate::{
    call::{Call, CallError, estimate},
    ledger::Ledger,
    node::Node,
};

pub(super) fn call(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let request = params.required::<TransactionRequest>(0)?;
    let block = params.optional::<BlockId>(1)?;
    let ledger = node.ledger();
    let call = prepare(node, &ledger, params, request, block)?;
    Ok(json!(call.output(&state_at(&ledger, block)?)?))
}

pub(super) fn estimate_gas(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let request = params.required::<TransactionRequest>(0)?;
    let block = params.optional::<BlockId>(1)?;
    let ledger = node.ledger();
    let call = prepare(node, &ledger, params, request, block)?;
    Ok(quantity(estimate(&call, &state_at(&ledger, block)?)?))
}

fn prepare(
    node: &Node,
    ledger: &Ledger,
    params: &Params,
    request: TransactionRequest,
    block: Option<BlockId>,
) -> Result<Call, RpcError> {
    if params.optional::<Value>(2)?.is_some_and(|overrides| overrides != json!({})) {
        return Err(RpcError::params("invalid argument 2: state overrides are not supported"));
    }
    let number = blocks::resolve(ledger, block.unwrap_or_default())?;
    let header = ledger.history.header(number)?.ok_or_else(|| RpcError::server("header not found"))?;
    Ok(Call::new(node.chain_id, &header, request)?)
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Reverted { ref output, .. } => {
                let output = output.clone();
                Self::reverted(error.to_string(), &output)
            }
            other => Self::server(other.to_string()),
        }
    }
}
