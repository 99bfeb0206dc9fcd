//! Sending, mining and reading back.

use alloy::{
    primitives::{Address, B256, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
};

use crate::fixture::{ETHER, Probe, Served, instant, probe_code};

#[tokio::test]
async fn a_contract_is_deployed_called_and_its_logs_are_found() {
    let served = Served::start(instant()).await;
    let wallet = served.wallet(0);
    let deploy = TransactionRequest::default().input(probe_code(7).into());
    let mut deploy = deploy;
    deploy.to = Some(alloy::primitives::TxKind::Create);
    let receipt = wallet.send_transaction(deploy).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    let sender = served.chain.accounts()[0].address;
    assert_eq!(receipt.contract_address, Some(sender.create(0)));
    let probe = Probe::new(receipt.contract_address.unwrap(), &wallet);
    assert_eq!(probe.count().call().await.unwrap(), U256::from(7));

    let receipt = probe.incrementAndLog([1, 2, 3].into()).send().await.unwrap().get_receipt().await.unwrap();
    assert_eq!(probe.count().call().await.unwrap(), U256::from(8));
    assert_eq!(receipt.inner.logs().len(), 2);
    let found = probe.Counted_filter().topic1(sender).from_block(0).query().await.unwrap();
    assert_eq!(found.len(), 1);
    let (event, log) = &found[0];
    assert_eq!((event.who, event.value, event.note.as_ref()), (sender, U256::from(8), &[1, 2, 3][..]));
    assert_eq!(log.transaction_hash, Some(receipt.transaction_hash));
    assert_eq!(log.block_hash, receipt.block_hash);
}

#[tokio::test]
async fn ether_moves_and_fees_are_paid() {
    let served = Served::start(instant()).await;
    let wallet = served.wallet(1);
    let to = Address::repeat_byte(0x42);
    let request = TransactionRequest::default().to(to).value(U256::from(ETHER));
    let receipt = wallet.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert_eq!(receipt.gas_used, 21_000);
    assert_eq!(wallet.get_balance(to).await.unwrap(), U256::from(ETHER));
    let fee = U256::from(receipt.effective_gas_price) * U256::from(21_000);
    let left = wallet.get_balance(served.chain.accounts()[1].address).await.unwrap();
    assert_eq!(left, U256::from(10_000 * ETHER) - U256::from(ETHER) - fee);
    let mined = wallet.get_transaction_by_hash(receipt.transaction_hash).await.unwrap().unwrap();
    assert_eq!(mined.block_hash, receipt.block_hash);
    assert_ne!(receipt.block_hash, Some(B256::ZERO));
}
