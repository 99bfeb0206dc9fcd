//! The table of methods.

use alloy::primitives::{Bytes, keccak256};
use serde_json::{Value, json};

use super::{Params, RpcError, accounts, blocks, development, fees, filters, logs, quantity, simulation, transactions};
use crate::node::Node;

/// Carries a call out.
pub(crate) fn call(node: &Node, method: &str, params: &Params) -> Result<Value, RpcError> {
    match method {
        "eth_chainId" => Ok(quantity(node.chain_id)),
        "eth_syncing" | "eth_mining" => Ok(json!(false)),
        "eth_accounts" => Ok(json!([])),
        "net_version" => Ok(json!(node.chain_id.to_string())),
        "net_listening" => Ok(json!(true)),
        "net_peerCount" => Ok(quantity(0)),
        "web3_clientVersion" => Ok(json!(concat!("quittance-devchain/", env!("CARGO_PKG_VERSION")))),
        "web3_sha3" => Ok(json!(keccak256(params.required::<Bytes>(0)?))),
        "eth_getBalance" => accounts::balance(node, params),
        "eth_getTransactionCount" => accounts::nonce(node, params),
        "eth_getCode" => accounts::code(node, params),
        "eth_getStorageAt" => accounts::storage(node, params),
        "eth_call" => simulation::call(node, params),
        "eth_estimateGas" => simulation::estimate_gas(node, params),
        "eth_gasPrice" => fees::gas_price(node),
        "eth_maxPriorityFeePerGas" => Ok(quantity(fees::SUGGESTED_TIP)),
        "eth_feeHistory" => fees::history(node, params),
        "eth_blockNumber" => Ok(quantity(node.ledger().history.head().number)),
        "eth_getBlockByNumber" => blocks::by_number(node, params),
        "eth_getBlockByHash" => blocks::by_hash(node, params),
        "eth_getBlockTransactionCountByNumber" => blocks::count_by_number(node, params),
        "eth_getBlockTransactionCountByHash" => blocks::count_by_hash(node, params),
        "eth_getBlockReceipts" => blocks::receipts(node, params),
        "eth_sendRawTransaction" => transactions::send_raw(node, params),
        "eth_getTransactionByHash" => transactions::by_hash(node, params),
        "eth_getTransactionByBlockNumberAndIndex" => transactions::by_number_and_index(node, params),
        "eth_getTransactionByBlockHashAndIndex" => transactions::by_block_hash_and_index(node, params),
        "eth_getTransactionReceipt" => transactions::receipt(node, params),
        "txpool_status" => transactions::pool_status(node),
        "eth_getLogs" => logs::get(node, params),
        "eth_newFilter" => filters::new_logs(node, params),
        "eth_newBlockFilter" => filters::new_blocks(node),
        "eth_getFilterChanges" => filters::changes(node, params),
        "eth_getFilterLogs" => filters::all_logs(node, params),
        "eth_uninstallFilter" => filters::uninstall(node, params),
        _ => development::call(node, method, params),
    }
}
