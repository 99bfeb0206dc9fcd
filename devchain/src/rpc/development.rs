//! What only a development chain can be asked for.
//!
//! `evm_mine`, `evm_increaseTime`, `evm_setNextBlockTimestamp` and `anvil_mine` as on other development nodes;
//! `anvil_reorg [depth]`, whose transactions vanish, and `devchain_reorg [depth]`, whose transactions return to the
//! pool; `devchain_fund [address, wei]`; `devchain_fault [fault]`, without a fault to disarm all.

use std::time::Duration;

use alloy::primitives::{Address, U64, U256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Params, RpcError, quantity};
use crate::{Dropped, Fault, block::Credit, miner::Take, node::Node};

/// The most blocks mined by one call.
const BLOCKS_MAX: u64 = 100_000;

pub(super) fn call(node: &Node, method: &str, params: &Params) -> Result<Value, RpcError> {
    match method {
        "evm_mine" => mine(node, 1, None),
        "anvil_mine" => mine(node, number(params, 0)?.unwrap_or(1), number(params, 1)?),
        "evm_increaseTime" => {
            let seconds =
                number(params, 0)?.ok_or_else(|| RpcError::params("missing value for required argument 0"))?;
            Ok(json!(node.miner().clock.advance(seconds)))
        }
        "evm_setNextBlockTimestamp" => set_next_timestamp(node, params),
        "anvil_reorg" => reorg(node, params, Dropped::Vanish),
        "devchain_reorg" => reorg(node, params, Dropped::ToPool),
        "devchain_fund" => fund(node, params),
        "devchain_fault" => arm(node, params),
        _ => Err(RpcError::no_method(method)),
    }
}

/// A number, written as JSON-RPC does or as people do.
fn number(params: &Params, index: usize) -> Result<Option<u64>, RpcError> {
    match params.optional::<Value>(index)? {
        Some(Value::Number(number)) => {
            number.as_u64().map(Some).ok_or_else(|| RpcError::params(format!("invalid argument {index}")))
        }
        _ => Ok(params.optional::<U64>(index)?.map(|number| number.to())),
    }
}

fn mine(node: &Node, blocks: u64, seconds_between: Option<u64>) -> Result<Value, RpcError> {
    if blocks > BLOCKS_MAX {
        return Err(RpcError::params(format!("at most {BLOCKS_MAX} blocks at once")));
    }
    let mut miner = node.miner();
    for index in 0..blocks {
        if let Some(seconds) = seconds_between.filter(|_| index > 0) {
            let timestamp = node.ledger().history.head().timestamp + seconds;
            miner.clock.fix(timestamp);
        }
        node.mine(&mut miner, Take::Pool)?;
    }
    Ok(quantity(0))
}

fn set_next_timestamp(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let timestamp = number(params, 0)?.ok_or_else(|| RpcError::params("missing value for required argument 0"))?;
    let mut miner = node.miner();
    let last = node.ledger().history.head().timestamp;
    if timestamp <= last {
        return Err(RpcError::params(format!(
            "timestamp error: {timestamp} is lower than or equal to previous block's timestamp {last}"
        )));
    }
    miner.clock.fix(timestamp);
    Ok(Value::Null)
}

fn reorg(node: &Node, params: &Params, dropped: Dropped) -> Result<Value, RpcError> {
    let depth = number(params, 0)?.ok_or_else(|| RpcError::params("missing value for required argument 0"))?;
    let head = node.ledger().history.head().number;
    if depth == 0 || depth > head {
        return Err(RpcError::params(format!("cannot drop {depth} of {head} blocks")));
    }
    node.reorg(depth, dropped)?;
    Ok(Value::Null)
}

fn fund(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let credit = Credit { address: params.required::<Address>(0)?, wei: params.required::<U256>(1)? };
    let mut miner = node.miner();
    miner.credits.push(credit);
    node.mine(&mut miner, Take::Nothing)?;
    Ok(Value::Null)
}

/// A fault as the parameters name it: `{"method": "eth_call", "delayMs": 500, "calls": 3}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    method: String,
    calls: Option<u32>,
    delay_ms: Option<u64>,
    lose: Option<Lose>,
    status: Option<u16>,
    code: Option<i64>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Lose {
    Request,
    Answer,
}

fn arm(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let Some(wanted) = params.optional::<Wanted>(0)? else {
        node.faults.clear();
        return Ok(Value::Null);
    };
    let fault = match wanted {
        Wanted { delay_ms: Some(delay), .. } => Fault::Delay(Duration::from_millis(delay)),
        Wanted { lose: Some(Lose::Request), .. } => Fault::LoseRequest,
        Wanted { lose: Some(Lose::Answer), .. } => Fault::LoseAnswer,
        Wanted { status: Some(status), .. } => Fault::Status(status),
        Wanted { code: Some(code), message, .. } => Fault::Error { code, message: message.unwrap_or_default() },
        _ => return Err(RpcError::params("one of delayMs, lose, status and code is needed")),
    };
    node.faults.arm(&wanted.method, fault, wanted.calls.unwrap_or(1));
    Ok(Value::Null)
}
