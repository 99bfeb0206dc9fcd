//! Questions to a node of which nothing is known yet: what it is, what it can answer, what it knows of a token.

use alloy::{
    primitives::{Address, Bytes, U64},
    sol_types::SolCall,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    abi::Token as Erc20,
    classify::{Class, classify},
    error::Error,
    rpc::{Call, Counts, Fault, Header, Provider, decode, unknown},
};

/// What a node can answer of what agents ask. What it lacks is worked around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// The number of its chain.
    pub chain_id: u64,
    /// Whether blocks have a base fee; without one, transactions are of the kind before EIP-1559.
    pub base_fee: bool,
    /// Whether it tells what waits in its pool.
    pub pool: bool,
    /// Whether it gives the logs of a block by the block's hash.
    pub logs_by_hash: bool,
    /// Whether it takes several calls in one request.
    pub batches: bool,
}

/// What a node knows of a token's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenReport {
    /// Whether there is a contract at the address.
    pub has_code: bool,
    /// Its `decimals()`; `None` when it does not say.
    pub decimals: Option<u8>,
}

/// The number of the chain that a node is on.
///
/// # Errors
/// When it does not answer.
pub async fn chain_number(rpc_url: &SecretString) -> Result<u64, Error> {
    number(&unknown(rpc_url)?).await
}

async fn number(provider: &Provider) -> Result<u64, Error> {
    let id: U64 = decode(provider.read(Call::new("eth_chainId", json!([]))).await?)?;
    Ok(id.to())
}

/// Asks a node all that a lane and a watcher ask.
///
/// # Errors
/// When it does not answer something without which nothing can be sent or read.
pub async fn probe(rpc_url: &SecretString) -> Result<NodeReport, Error> {
    let provider = unknown(rpc_url)?;
    let chain_id = number(&provider).await?;
    let counts = Counts::at(&provider, Address::ZERO).await?;
    let head: Option<Header> = decode(provider.read(Call::latest_block()).await?)?;
    let head = head.ok_or_else(|| Error::Rpc(format!("{} has no head block", provider.label())))?;
    let base_fee = head.base_fee();
    if base_fee.is_none() {
        provider.read(Call::price(base_fee)).await?;
    }
    let by_hash = json!([{"blockHash": head.hash, "address": Address::ZERO}]);
    let logs = provider.call_all(vec![Call::new("eth_getLogs", by_hash)]).await.pop();
    Ok(NodeReport {
        chain_id,
        base_fee: base_fee.is_some(),
        pool: counts.pooled.is_some(),
        logs_by_hash: logs.is_some_and(|answer| answer.is_ok()),
        batches: provider.takes_batches(),
    })
}

/// Asks a node about a token's contract.
///
/// # Errors
/// When it does not answer; that the contract has no `decimals()` is no error.
pub async fn token(rpc_url: &SecretString, at: Address) -> Result<TokenReport, Error> {
    let provider = unknown(rpc_url)?;
    let code: Bytes = decode(provider.read(Call::new("eth_getCode", json!([at, "latest"]))).await?)?;
    if code.is_empty() {
        return Ok(TokenReport { has_code: false, decimals: None });
    }
    let input = Bytes::from(Erc20::decimalsCall {}.abi_encode());
    let call = Call::new("eth_call", json!([{"to": at, "input": input}, "latest"]));
    let decimals = match provider.call_all(vec![call]).await.pop() {
        Some(Ok(answer)) => decimals_of(answer),
        Some(Err(fault)) if matches!(classify(&fault), Class::Reverted(_)) => None,
        Some(Err(fault)) => return Err(provider.error("eth_call", &fault)),
        None => return Err(provider.error("eth_call", &Fault::Lost("no answer".to_owned()))),
    };
    Ok(TokenReport { has_code: true, decimals })
}

fn decimals_of(answer: Value) -> Option<u8> {
    let bytes: Bytes = decode(answer).ok()?;
    Erc20::decimalsCall::abi_decode_returns(&bytes).ok()
}
