//! Calls that are made to misbehave.

use std::time::{Duration, Instant};

use alloy::{primitives::U256, providers::Provider};
use devchain::{Fault, NoAnswer};
use serde_json::json;

use crate::fixture::{Served, instant, manual, signed, transfer};

#[tokio::test]
async fn a_delayed_answer_comes_late_but_the_work_is_done_at_once() {
    let served = Served::start(instant()).await;
    served.chain.faults().arm("eth_sendRawTransaction", Fault::Delay(Duration::from_millis(400)), 1);
    let (hash, raw) = signed(&served.signer(0), transfer(0));
    let started = Instant::now();
    let provider = served.provider.clone();
    let sent = tokio::spawn(async move { provider.send_raw_transaction(&raw).await.map(|sent| *sent.tx_hash()) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(served.receipt(hash).await.status());
    assert!(!sent.is_finished());
    assert_eq!(sent.await.unwrap().unwrap(), hash);
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert_eq!(served.chain.faults().remaining(), 0);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_transaction_and_a_lost_request_does_not() {
    let served = Served::start(instant()).await;
    let signer = served.signer(0);
    served.chain.faults().arm("eth_sendRawTransaction", Fault::LoseAnswer, 1);
    served.chain.faults().arm("eth_sendRawTransaction", Fault::LoseRequest, 1);
    let (first, raw) = signed(&signer, transfer(0));
    let error = served.provider.send_raw_transaction(&raw).await.unwrap_err();
    assert!(error.is_transport_error(), "{error:?}");
    assert!(served.receipt(first).await.status());
    let (second, raw) = signed(&signer, transfer(1));
    assert!(served.provider.send_raw_transaction(&raw).await.unwrap_err().is_transport_error());
    assert!(served.provider.get_transaction_by_hash(second).await.unwrap().is_none());
    served.send(&raw).await.unwrap();
    assert!(served.receipt(second).await.status());
}

#[tokio::test]
async fn errors_and_statuses_hit_the_next_calls_of_their_method_only() {
    let served = Served::start(manual()).await;
    let limit = Fault::Error { code: -32005, message: "limit exceeded".to_owned() };
    served.chain.faults().arm("eth_gasPrice", limit, 2);
    served.chain.faults().arm("eth_gasPrice", Fault::Status(503), 1);
    for _ in 0..2 {
        served.provider.get_chain_id().await.unwrap();
        let error = served.provider.get_gas_price().await.unwrap_err();
        assert_eq!(error.as_error_resp().unwrap().code, -32005);
    }
    let error = served.provider.get_gas_price().await.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    served.provider.get_gas_price().await.unwrap();
    served.chain.faults().arm("*", Fault::LoseRequest, 10);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).to_string().into_bytes();
    assert_eq!(served.chain.rpc(request).await, Err(NoAnswer::Lost));
    served.chain.faults().clear();
    served.provider.get_chain_id().await.unwrap();
}

/// Another process has no handle, so it arms faults and moves the chain by calls.
#[tokio::test]
async fn other_processes_can_use_the_hooks_too() {
    let served = Served::start(manual()).await;
    let fault = json!([{"method": "eth_gasPrice", "code": -32603, "message": "boom", "calls": 1}]);
    served.call("devchain_fault", fault).await;
    assert_eq!(served.error("eth_gasPrice", json!([])).await, json!({"code": -32603, "message": "boom"}));
    served.call("devchain_fault", json!([{"method": "eth_gasPrice", "lose": "answer", "calls": 9}])).await;
    served.call("devchain_fault", json!([])).await;
    served.call("eth_gasPrice", json!([])).await;
    assert_eq!(served.error("devchain_fault", json!([{"method": "eth_gasPrice"}])).await["code"], -32602);
    let address = alloy::primitives::Address::repeat_byte(8);
    served.call("devchain_fund", json!([address, "0x64"])).await;
    assert_eq!(served.provider.get_balance(address).await.unwrap(), U256::from(100));
    assert_eq!(served.error("anvil_reorg", json!([5])).await["code"], -32602);
    let before = served.call("eth_getBlockByNumber", json!(["latest", false])).await;
    served.call("anvil_reorg", json!([1])).await;
    let after = served.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(before["number"], after["number"]);
    assert_ne!(before["hash"], after["hash"]);
}
