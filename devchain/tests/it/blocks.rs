//! Headers, hashes, tags and time.

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, U256},
    providers::Provider,
    rpc::types::Block,
};
use devchain::{BlockTime, Config};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fixture::{Served, deploy, instant, manual, signed, transfer};

async fn block(served: &Served, number: u64) -> Block {
    served.provider.get_block_by_number(number.into()).full().await.unwrap().unwrap()
}

#[tokio::test]
async fn hashes_are_those_of_the_headers_and_link_up() {
    let served = Served::start(instant()).await;
    deploy(&served, 1).await;
    served.chain.mine(70).unwrap();
    served.send(&signed(&served.signer(1), transfer(0)).1).await.unwrap();
    served.chain.mine(3).unwrap();
    let mut parent = B256::ZERO;
    let mut time = 0;
    for number in 0..=served.chain.block_number() {
        let block = block(&served, number).await;
        assert_eq!(block.header.number, number);
        assert_eq!(block.header.inner.hash_slow(), block.header.hash, "block {number}");
        assert_eq!(block.header.parent_hash, parent);
        assert!(block.header.timestamp > time);
        (parent, time) = (block.header.hash, block.header.timestamp);
        let by_hash = served.provider.get_block_by_hash(parent).full().await.unwrap().unwrap();
        assert_eq!(by_hash, block);
    }
    let with_transaction = block(&served, 72).await;
    let transaction = with_transaction.transactions.as_transactions().unwrap()[0].clone();
    assert_eq!(transaction.inner.signer(), served.chain.accounts()[1].address);
    for tag in ["0x48", &with_transaction.header.hash.to_string()] {
        let method = if tag.len() > 10 { "Hash" } else { "Number" };
        let name = format!("eth_getTransactionByBlock{method}AndIndex");
        assert_eq!(served.call(&name, json!([tag, "0x0"])).await["hash"], json!(transaction.inner.tx_hash()));
        assert_eq!(served.call(&name, json!([tag, "0x1"])).await, Value::Null);
        let name = format!("eth_getBlockTransactionCountBy{method}");
        assert_eq!(served.call(&name, json!([tag])).await, "0x1");
    }
    let receipts = served.provider.get_block_receipts(BlockId::number(72)).await.unwrap().unwrap();
    assert_eq!(receipts, [served.receipt(*transaction.inner.tx_hash()).await]);
}

#[tokio::test]
async fn what_does_not_exist_is_null() {
    let served = Served::start(manual()).await;
    let nothing = json!(B256::repeat_byte(1));
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x10", false])),
        ("eth_getBlockByHash", json!([nothing, false])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x10"])),
        ("eth_getBlockTransactionCountByHash", json!([nothing])),
        ("eth_getBlockReceipts", json!(["0x10"])),
        ("eth_getTransactionByHash", json!([nothing])),
        ("eth_getTransactionReceipt", json!([nothing])),
        ("eth_getTransactionByBlockHashAndIndex", json!([nothing, "0x0"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x10", "0x0"])),
    ] {
        assert_eq!(served.call(method, params).await, Value::Null, "{method}");
    }
}

#[tokio::test]
async fn tags_name_blocks_and_the_pending_one_shows_what_waits() {
    let served = Served::start(manual()).await;
    served.chain.mine(100).unwrap();
    let waiting = served.send(&signed(&served.signer(0), transfer(0)).1).await.unwrap();
    for (tag, number) in [
        (BlockNumberOrTag::Earliest, 0),
        (BlockNumberOrTag::Finalized, 36),
        (BlockNumberOrTag::Safe, 68),
        (BlockNumberOrTag::Latest, 100),
        (BlockNumberOrTag::Pending, 101),
    ] {
        let block = served.provider.get_block_by_number(tag).await.unwrap().unwrap();
        assert_eq!(block.header.number, number, "{tag}");
        let hashes: Vec<B256> = block.transactions.hashes().collect();
        assert_eq!(hashes, if tag.is_pending() { vec![waiting] } else { vec![] });
    }
}

#[tokio::test]
async fn the_base_fee_falls_when_blocks_are_empty() {
    let served = Served::start(manual()).await;
    served.chain.mine(2).unwrap();
    let mut fees = Vec::new();
    for number in 0..3 {
        fees.push(block(&served, number).await.header.base_fee_per_gas.unwrap());
    }
    assert_eq!(fees, [1_000_000_000, 875_000_000, 765_625_000]);
}

#[tokio::test]
async fn time_can_be_set_and_moved_but_never_back() {
    let served = Served::start(manual()).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    served.call("evm_increaseTime", json!([1000])).await;
    served.call("evm_mine", json!([])).await;
    let later = block(&served, 1).await.header.timestamp;
    assert!((now + 1000..now + 1010).contains(&later));
    let fixed = later + 5000;
    served.call("evm_setNextBlockTimestamp", json!([fixed])).await;
    served.call("anvil_mine", json!(["0x3", "0x3c"])).await;
    let mut times = Vec::new();
    for number in 2..=4 {
        times.push(block(&served, number).await.header.timestamp);
    }
    assert_eq!(times, [fixed, fixed + 60, fixed + 120]);
    served.chain.mine(1).unwrap();
    assert!(block(&served, 5).await.header.timestamp > fixed + 120);
    let error = served.error("evm_setNextBlockTimestamp", json!([fixed])).await;
    assert_eq!(error["code"], -32602);
}

#[tokio::test]
async fn blocks_come_at_intervals_and_take_what_waits() {
    let interval = BlockTime::Interval(Duration::from_millis(50));
    let served = Served::start(Config { block_time: interval, ..Config::default() }).await;
    let request = alloy::rpc::types::TransactionRequest::default().to(Default::default()).value(U256::from(1));
    let sent = served.wallet(0).send_transaction(request).await.unwrap();
    let receipt = tokio::time::timeout(Duration::from_secs(5), sent.get_receipt()).await.unwrap().unwrap();
    assert!(receipt.status());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mined = served.chain.block_number();
    assert!((4..=40).contains(&mined), "{mined}");
    served.chain.shutdown().unwrap();
    let last = served.chain.block_number();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(served.chain.block_number(), last);
    assert!(served.chain.mine(1).is_err());
}
