//! Blocks that are replaced.

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, TxKind, U256},
    providers::Provider,
    rpc::types::Filter,
};
use devchain::Dropped;
use serde_json::json;

use crate::fixture::{ETHER, Probe, Served, deploy, instant, manual, signed, transfer};

#[tokio::test]
async fn hashes_change_logs_go_and_transactions_return() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 5).await;
    served.chain.mine(2).unwrap();
    let before = served.call("eth_getBlockByNumber", json!(["0x1", false])).await;
    let receipt = probe.incrementAndLog([1].into()).send().await.unwrap().get_receipt().await.unwrap();
    served.chain.mine(1).unwrap();
    let height = served.chain.block_number();
    let old_hash = receipt.block_hash.unwrap();
    let block_number = receipt.block_number.unwrap();
    let logs = Filter::new().from_block(0).address(*probe.address());
    assert_eq!(served.provider.get_logs(&logs).await.unwrap().len(), 2);

    served.chain.reorg(2, Dropped::ToPool).unwrap();
    assert_eq!(served.chain.block_number(), height);
    assert_eq!(served.call("eth_getBlockByNumber", json!(["0x1", false])).await, before, "below it nothing changes");
    let replaced = served.provider.get_block_by_number(block_number.into()).await.unwrap().unwrap();
    assert_ne!(replaced.header.hash, old_hash);
    assert!(replaced.transactions.is_empty());
    assert!(served.provider.get_block_by_hash(old_hash).await.unwrap().is_none());
    assert!(served.provider.get_transaction_receipt(receipt.transaction_hash).await.unwrap().is_none());
    let waiting = served.provider.get_transaction_by_hash(receipt.transaction_hash).await.unwrap().unwrap();
    assert_eq!(waiting.block_hash, None);
    assert_eq!(served.provider.get_logs(&logs).await.unwrap(), []);
    assert_eq!(served.error("eth_getLogs", json!([{"blockHash": old_hash}])).await["message"], "unknown block");
    assert_eq!(probe.count().call().await.unwrap(), U256::from(5));

    served.chain.mine(1).unwrap();
    let again = served.receipt(receipt.transaction_hash).await;
    assert_eq!(again.block_number, Some(height + 1));
    assert_ne!(again.block_hash, receipt.block_hash);
    assert_eq!(probe.count().call().await.unwrap(), U256::from(6));
    let found = served.provider.get_logs(&logs).await.unwrap();
    assert_eq!((found.len(), found[0].block_hash), (2, again.block_hash));
}

#[tokio::test]
async fn vanished_transactions_leave_room_for_others() {
    let served = Served::start(manual()).await;
    let (signer, sender) = (served.signer(0), served.chain.accounts()[0].address);
    let (gone, raw) = signed(&signer, transfer(0));
    served.send(&raw).await.unwrap();
    served.chain.mine(1).unwrap();
    assert!(served.receipt(gone).await.status());
    served.chain.reorg(1, Dropped::Vanish).unwrap();
    assert!(served.provider.get_transaction_by_hash(gone).await.unwrap().is_none());
    assert_eq!(served.provider.get_transaction_count(sender).pending().await.unwrap(), 0);
    let (other, raw) = signed(&signer, TxEip1559 { value: U256::from(2), ..transfer(0) });
    served.send(&raw).await.unwrap();
    served.chain.mine(1).unwrap();
    assert!(served.receipt(other).await.status());
}

#[tokio::test]
async fn a_contract_can_be_unmade_and_made_again() {
    let served = Served::start(instant()).await;
    let probe = deploy(&served, 3).await;
    probe.pay().value(U256::from(77)).send().await.unwrap().get_receipt().await.unwrap();
    let payer = served.chain.accounts()[0].address;
    let height = served.chain.block_number();
    served.chain.reorg(height, Dropped::ToPool).unwrap();
    assert!(served.provider.get_code_at(*probe.address()).await.unwrap().is_empty());
    assert_eq!(served.provider.get_balance(*probe.address()).await.unwrap(), U256::ZERO);
    assert_eq!(served.call("txpool_status", json!([])).await["pending"], "0x2");
    served.chain.mine(1).unwrap();
    let again = Probe::new(*probe.address(), &served.provider);
    assert_eq!(again.paid(payer).call().await.unwrap(), U256::from(77));
}

/// Replacing the same blocks over and over never gives a hash twice, and leaves the funds alone.
#[tokio::test]
async fn repeated_reorgs_of_one_height_differ_each_time() {
    let served = Served::start(manual()).await;
    served.chain.mine(3).unwrap();
    let rich = Address::repeat_byte(0x33);
    served.chain.fund(rich, U256::from(9)).unwrap();
    let mut hashes = std::collections::HashSet::new();
    for _ in 0..5 {
        served.chain.reorg(2, Dropped::Vanish).unwrap();
        for number in [3, 4] {
            let block = served.provider.get_block_by_number(number.into()).await.unwrap().unwrap();
            assert_eq!(block.header.inner.hash_slow(), block.header.hash);
            assert!(hashes.insert(block.header.hash));
        }
        assert_eq!(served.provider.get_balance(rich).await.unwrap(), U256::from(9));
    }
    assert!(served.chain.reorg(0, Dropped::Vanish).is_err());
    assert!(served.chain.reorg(5, Dropped::Vanish).is_err());
    served.chain.reorg(4, Dropped::Vanish).unwrap();
    assert_eq!(served.chain.block_number(), 4);
    assert_eq!(served.provider.get_balance(rich).await.unwrap(), U256::from(9));
}

/// What was to be paid with ether that a dropped transaction had brought cannot be paid any more.
#[tokio::test]
async fn a_transaction_whose_funds_vanished_leaves_the_pool() {
    let served = Served::start(manual()).await;
    let heir = alloy::signers::local::PrivateKeySigner::random();
    let gift = TxEip1559 { to: TxKind::Call(heir.address()), value: U256::from(ETHER), ..transfer(0) };
    served.send(&signed(&served.signer(0), gift).1).await.unwrap();
    served.chain.mine(1).unwrap();
    let (spent, raw) = signed(&heir, transfer(0));
    served.send(&raw).await.unwrap();
    served.chain.reorg(1, Dropped::Vanish).unwrap();
    assert!(served.provider.get_transaction_by_hash(spent).await.unwrap().is_none());
    assert!(served.send(&raw).await.unwrap_err().starts_with("insufficient funds for gas * price + value: balance 0"));
}
