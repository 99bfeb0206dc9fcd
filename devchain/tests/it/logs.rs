//! Finding logs.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use serde_json::json;

use crate::fixture::{Probe, Served, deploy, instant};

async fn find(served: &Served, filter: &Filter) -> Vec<Log> {
    served.provider.get_logs(filter).await.unwrap()
}

#[tokio::test]
async fn filters_narrow_by_address_topics_and_blocks() {
    let served = Served::start(instant()).await;
    let (one, other) = (deploy(&served, 0).await, deploy(&served, 100).await);
    for probe in [&one, &other, &one] {
        served.chain.mine(3).unwrap();
        probe.incrementAndLog([9].into()).send().await.unwrap().get_receipt().await.unwrap();
    }
    let all = Filter::new().from_block(0);
    assert_eq!(find(&served, &all).await.len(), 6);
    assert_eq!(find(&served, &Filter::new()).await.len(), 2, "the default is the latest block alone");
    assert_eq!(find(&served, &all.clone().address(*one.address())).await.len(), 4);
    assert_eq!(find(&served, &all.clone().address(vec![*one.address(), *other.address()])).await.len(), 6);
    assert_eq!(find(&served, &all.clone().address(Address::repeat_byte(1))).await.len(), 0);
    let counted = all.clone().event_signature(Probe::Counted::SIGNATURE_HASH);
    assert_eq!(find(&served, &counted).await.len(), 3);
    let signatures = vec![Probe::Counted::SIGNATURE_HASH, Probe::Other::SIGNATURE_HASH];
    assert_eq!(find(&served, &all.clone().event_signature(signatures)).await.len(), 6);
    let second = B256::from(U256::from(2));
    let found = find(&served, &all.clone().topic2(second)).await;
    assert_eq!(found.len(), 1, "null matches any first topic");
    assert_eq!(found[0].inner.address, *one.address());
    assert_eq!(find(&served, &all.clone().topic2(vec![second, B256::from(U256::from(101))])).await.len(), 2);
    assert_eq!(find(&served, &all.clone().topic3(second)).await.len(), 0);

    let (block, hash) = (found[0].block_number.unwrap(), found[0].block_hash.unwrap());
    assert_eq!(find(&served, &Filter::new().at_block_hash(hash)).await.len(), 2);
    assert_eq!(find(&served, &Filter::new().from_block(block).to_block(block)).await.len(), 2);
    assert_eq!(find(&served, &Filter::new().from_block(0).to_block(block - 1)).await.len(), 4);
    let indexes: Vec<_> = find(&served, &Filter::new().at_block_hash(hash)).await.iter().map(|l| l.log_index).collect();
    assert_eq!(indexes, [Some(0), Some(1)]);
    let receipt = served.receipt(found[0].transaction_hash.unwrap()).await;
    assert_eq!(receipt.inner.logs()[0], found[0]);
    assert!(receipt.inner.logs_bloom().contains_input(alloy::primitives::BloomInput::Raw(one.address().as_slice())));
}

#[tokio::test]
async fn wrong_and_too_large_questions_are_refused() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 0).await;
    let unknown = json!([{"blockHash": B256::repeat_byte(3)}]);
    let error = served.error("eth_getLogs", unknown).await;
    assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!("unknown block")));
    let backwards = served.error("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}])).await;
    assert_eq!(backwards["message"], "invalid block range params");
    let both = served.error("eth_getLogs", json!([{"fromBlock": "0x2", "blockHash": B256::ZERO}])).await;
    assert_eq!(both["code"], -32602);
    served.chain.mine(100_000 - served.chain.block_number()).unwrap();
    let wide = served.error("eth_getLogs", json!([{"fromBlock": "0x0"}])).await;
    assert_eq!((&wide["code"], &wide["message"]), (&json!(-32005), &json!("query exceeds max block range 100000")));
    probe.incrementAndLog([].into()).send().await.unwrap().get_receipt().await.unwrap();
    let started = std::time::Instant::now();
    let found = find(&served, &Filter::new().from_block(2).address(*probe.address())).await;
    assert_eq!(found.len(), 2);
    assert!(started.elapsed().as_millis() < 500, "{:?} over 100,000 blocks", started.elapsed());
}

#[tokio::test]
async fn filters_can_be_polled() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 0).await;
    let topic = keccak256("Other(uint256)");
    let logs = served.call("eth_newFilter", json!([{"address": probe.address(), "topics": [topic]}])).await;
    let blocks = served.call("eth_newBlockFilter", json!([])).await;
    assert_eq!(served.call("eth_getFilterChanges", json!([logs])).await, json!([]));
    probe.incrementAndLog([].into()).send().await.unwrap().get_receipt().await.unwrap();
    served.chain.mine(1).unwrap();
    assert_eq!(served.call("eth_getFilterChanges", json!([logs])).await.as_array().unwrap().len(), 1);
    assert_eq!(served.call("eth_getFilterChanges", json!([logs])).await, json!([]));
    let seen = served.call("eth_getFilterChanges", json!([blocks])).await;
    let head = served.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert_eq!(seen[1], head["hash"]);
    served.chain.mine(1).unwrap();
    served.chain.reorg(2, devchain::Dropped::ToPool).unwrap();
    let replaced = served.call("eth_getFilterChanges", json!([blocks])).await;
    assert_eq!(replaced.as_array().unwrap().len(), 2, "blocks in place of those that were seen are news");
    assert_eq!(served.call("eth_getFilterLogs", json!([logs])).await, json!([]), "none in the last block");
    assert_eq!(served.call("eth_uninstallFilter", json!([logs])).await, true);
    assert_eq!(served.call("eth_uninstallFilter", json!([logs])).await, false);
    assert_eq!(served.error("eth_getFilterChanges", json!([logs])).await["message"], "filter not found");
}
