//! Calls and estimates: results, reverts, halts and the state that they see.

use alloy::{
    eips::BlockId,
    primitives::{Address, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
};
use serde_json::{Value, json};

use crate::fixture::{ETHER, Probe, Served, deploy, instant, manual, probe_code};

#[tokio::test]
async fn custom_errors_reach_the_client_decoded() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 0).await;
    let error = probe.refuse(U256::from(42)).from(Address::repeat_byte(9)).call().await.unwrap_err();
    let refused = error.as_decoded_error::<Probe::Refused>().unwrap();
    assert_eq!((refused.code, refused.who), (U256::from(42), Address::repeat_byte(9)));

    let error = probe.refuse(U256::from(1)).estimate_gas().await.unwrap_err();
    assert!(error.as_decoded_error::<Probe::Refused>().is_some());
}

#[tokio::test]
async fn failures_have_geths_codes_and_texts() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 0).await;
    let cases: Vec<(Vec<u8>, i64, &str)> = vec![
        (probe.demand(false).calldata().to_vec(), 3, "execution reverted: not today"),
        (probe.refuse(U256::from(1)).calldata().to_vec(), 3, "execution reverted"),
        (probe.divide(U256::ZERO).calldata().to_vec(), 3, "execution reverted: division or modulo by zero"),
        (probe.broken().calldata().to_vec(), -32000, "invalid opcode: INVALID"),
        (vec![0xde, 0xad, 0xbe, 0xef], 3, "execution reverted"),
    ];
    for (input, code, text) in cases {
        let call = json!({"to": probe.address(), "data": alloy::hex::encode_prefixed(&input)});
        for method in ["eth_call", "eth_estimateGas"] {
            let error = served.error(method, json!([call, "latest"])).await;
            assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(text)), "{method} {input:x?}");
            assert_eq!(error.get("data").is_some(), code == 3);
        }
    }
    let burn = json!({"to": probe.address(), "data": probe.burn().calldata()});
    assert_eq!(served.error("eth_call", json!([burn])).await["message"], "out of gas");
    let error = served.error("eth_estimateGas", json!([burn])).await;
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(-32000), &json!("gas required exceeds allowance (16777216)"))
    );
}

#[tokio::test]
async fn a_call_needs_the_value_but_no_gas_money() {
    let served = Served::start(manual()).await;
    let (from, to) = (Address::repeat_byte(1), Address::repeat_byte(2));
    assert_eq!(served.call("eth_call", json!([{"from": from, "to": to}])).await, "0x");
    let text = format!("insufficient funds for gas * price + value: address {from} have 0 want 5");
    let error = served.error("eth_call", json!([{"from": from, "to": to, "value": "0x5"}])).await;
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(-32000), &json!(format!("err: {text} (supplied gas 50000000)")))
    );
    let error = served.error("eth_estimateGas", json!([{"from": from, "to": to, "value": "0x5"}])).await;
    assert_eq!(error["message"], format!("failed with 16777216 gas: {text}"));
    let both = json!([{"to": to, "gasPrice": "0x1", "maxFeePerGas": "0x1"}]);
    let error = served.error("eth_call", both).await;
    assert_eq!(error["message"], "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    let low = json!([{"from": served.chain.accounts()[0].address, "to": to, "maxFeePerGas": "0x1"}]);
    let error = served.error("eth_call", low).await;
    assert!(error["message"].as_str().unwrap().contains("max fee per gas less than block base fee"), "{error}");
    let other = served.error("eth_call", json!([{"to": to, "chainId": "0x1"}])).await;
    assert_eq!(other["message"], "chainId does not match node's (have=1, want=31337)");
}

/// An estimate suffices, and is not much more than what is needed.
#[tokio::test]
async fn estimates_suffice() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 5).await;
    let plain = TransactionRequest::default().to(Address::repeat_byte(5)).value(U256::from(1));
    let plain = plain.from(served.chain.accounts()[0].address);
    assert_eq!(served.provider.estimate_gas(plain).await.unwrap(), 21_000);

    let calls = [
        probe.increment().calldata().clone(),
        probe.incrementAndLog(vec![7; 300].into()).calldata().clone(),
        probe.fill(U256::from(40)).calldata().clone(),
        probe.nested(U256::from(100_000)).calldata().clone(),
        probe.clear().calldata().clone(),
    ];
    for input in calls {
        let request = TransactionRequest::default().to(*probe.address()).input(input.into());
        let request = request.from(served.chain.accounts()[0].address);
        let estimate = probe.provider().estimate_gas(request.clone()).await.unwrap();
        let sent = probe.provider().send_transaction(request.gas_limit(estimate)).await.unwrap();
        let receipt = sent.get_receipt().await.unwrap();
        assert!(receipt.status(), "{estimate}");
        assert!(estimate < receipt.gas_used * 2 + 110_000, "{estimate} for {}", receipt.gas_used);
    }
    let create = json!([{"from": served.chain.accounts()[0].address, "data": probe_code(1)}]);
    let estimate = served.call("eth_estimateGas", create).await;
    assert!(u64::from_str_radix(estimate.as_str().unwrap().trim_start_matches("0x"), 16).unwrap() > 300_000);
}

#[tokio::test]
async fn earlier_states_can_be_read() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 10).await;
    let deployed_at = served.chain.block_number();
    for _ in 0..3 {
        probe.increment().send().await.unwrap().get_receipt().await.unwrap();
    }
    let sender = served.chain.accounts()[0].address;
    for back in 0..=3 {
        let block = BlockId::number(deployed_at + back);
        assert_eq!(probe.count().block(block).call().await.unwrap(), U256::from(10 + back));
        assert_eq!(served.provider.get_transaction_count(sender).block_id(block).await.unwrap(), 1 + back);
        let slot = served.provider.get_storage_at(*probe.address(), U256::ZERO).block_id(block).await.unwrap();
        assert_eq!(slot, U256::from(10 + back));
    }
    let before = BlockId::number(deployed_at - 1);
    assert!(served.provider.get_code_at(*probe.address()).block_id(before).await.unwrap().is_empty());
    assert!(!served.provider.get_code_at(*probe.address()).await.unwrap().is_empty());
    assert_eq!(served.provider.get_balance(sender).block_id(before).await.unwrap(), U256::from(10_000 * ETHER));

    let by_hash = served.provider.get_block_by_number(deployed_at.into()).await.unwrap().unwrap().header.hash;
    assert_eq!(probe.count().block(BlockId::hash(by_hash)).call().await.unwrap(), U256::from(10));
    let call = json!({"to": probe.address(), "data": probe.count().calldata()});
    assert_eq!(served.error("eth_call", json!([call, "0xffff"])).await["message"], "header not found");
    let unknown = json!({"blockHash": format!("{:#x}", Address::ZERO.into_word())});
    assert_eq!(served.error("eth_call", json!([call, unknown])).await["message"], "header for hash not found");
    for _ in 0..130 {
        served.chain.fund(sender, U256::from(1)).unwrap();
    }
    let error = served.error("eth_call", json!([call, format!("{deployed_at:#x}")])).await;
    assert_eq!(error["message"], format!("historical state of block {deployed_at} is not available"));
}

#[tokio::test]
async fn contracts_see_the_block_they_are_in() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 0).await;
    let head = served.provider.get_block_by_number(Default::default()).await.unwrap().unwrap().header;
    let seen = probe.context().call().await.unwrap();
    assert_eq!(seen.number, U256::from(head.number));
    assert_eq!(seen.time, U256::from(head.timestamp));
    assert_eq!(seen.chain, U256::from(31337));
    assert_eq!(seen.previous, head.parent_hash);
    assert_eq!(seen.random, U256::from_be_bytes(head.mix_hash.0));
    assert_eq!(seen.baseFee, U256::ZERO, "a call without a gas price sees none, as on geth");
    let overrides = served.error("eth_call", json!([{"to": probe.address()}, "latest", {"0x01": {}}])).await;
    assert_eq!(overrides["code"], -32602);
    assert_ne!(
        served.call("eth_call", json!([{"to": probe.address(), "data": probe.count().calldata()}, "latest", {}])).await,
        Value::Null
    );
}
