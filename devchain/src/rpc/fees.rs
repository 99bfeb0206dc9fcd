//! What gas costs.

use alloy::{consensus::Transaction as _, eips::BlockNumberOrTag, primitives::U64, rpc::types::FeeHistory};
use serde_json::Value;

use super::{Params, RpcError, blocks, quantity};
use crate::{
    block::{Block, GAS_LIMIT, base_fee_after, next_base_fee},
    node::Node,
};

/// The tip that is suggested, in wei: any gets into a block, so it is a usual one.
pub(super) const SUGGESTED_TIP: u64 = 1_000_000_000;
/// The most blocks in one answer, as in geth.
const BLOCKS_MAX: u64 = 1024;
/// The most percentiles in one question, as in geth.
const PERCENTILES_MAX: usize = 100;

pub(super) fn gas_price(node: &Node) -> Result<Value, RpcError> {
    Ok(quantity(next_base_fee(node.ledger().history.head()) + SUGGESTED_TIP))
}

pub(super) fn history(node: &Node, params: &Params) -> Result<Value, RpcError> {
    let count = params.required::<U64>(0)?.to::<u64>().min(BLOCKS_MAX);
    let newest = params.required::<BlockNumberOrTag>(1)?;
    let percentiles = params.optional::<Vec<f64>>(2)?.unwrap_or_default();
    let ascending = percentiles.iter().zip(percentiles.iter().skip(1)).all(|(one, next)| one < next);
    if percentiles.len() > PERCENTILES_MAX || !ascending || percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) {
        return Err(RpcError::server("invalid reward percentile"));
    }
    let ledger = node.ledger();
    let newest = blocks::resolve(&ledger, newest.into())?;
    let mut answer = FeeHistory { oldest_block: (newest + 1).saturating_sub(count), ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for number in answer.oldest_block..=newest {
        let base_fee = ledger.history.rows.base_fee(number).unwrap_or_default();
        // Most blocks are empty, and need not be looked at.
        let block = if ledger.history.rows.content(number).is_some() { ledger.history.block(number)? } else { None };
        let gas_used = block.as_ref().map_or(0, |block| block.header.gas_used);
        answer.base_fee_per_gas.push(base_fee.into());
        answer.gas_used_ratio.push(used_ratio(gas_used));
        rewards.push(block.map_or_else(|| vec![0; percentiles.len()], |block| tips(&block, &percentiles)));
        if number == newest {
            answer.base_fee_per_gas.push(base_fee_after(gas_used, base_fee).into());
        }
    }
    answer.reward = (!percentiles.is_empty()).then_some(rewards);
    answer.base_fee_per_blob_gas = vec![1; answer.base_fee_per_gas.len()];
    answer.blob_gas_used_ratio = vec![0.0; answer.gas_used_ratio.len()];
    Ok(serde_json::to_value(answer)?)
}

#[expect(clippy::float_arithmetic, reason = "the method answers a ratio")]
fn used_ratio(gas_used: u64) -> f64 {
    gas_used as f64 / GAS_LIMIT as f64
}

/// The tips at which so many percent of a block's gas was bought.
#[expect(clippy::float_arithmetic, reason = "the method is asked in percentiles")]
fn tips(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut bought: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .map(|mined| (mined.envelope.effective_tip_per_gas(base_fee).unwrap_or_default(), mined.gas_used))
        .collect();
    bought.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = (block.header.gas_used as f64 * percentile / 100.0) as u64;
        let mut gas = 0;
        let found = bought.iter().find(|(_, gas_used)| {
            gas += gas_used;
            gas >= threshold
        });
        found.map(|(tip, _)| *tip).unwrap_or_default()
    };
    percentiles.iter().map(at).collect()
}
