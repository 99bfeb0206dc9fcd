//! What clients are told to pay.

use alloy::{consensus::TxEip1559, eips::BlockNumberOrTag, primitives::U256, providers::Provider};
use serde_json::json;

use crate::fixture::{GWEI, Served, manual, signed, transfer};

#[tokio::test]
async fn the_fee_history_tells_base_fees_ratios_and_tips() {
    let served = Served::start(manual()).await;
    for (index, tip) in [(0, 1), (1, 2), (2, 3), (3, 10)] {
        let fees = TxEip1559 { max_priority_fee_per_gas: tip * GWEI, max_fee_per_gas: 20 * GWEI, ..transfer(0) };
        served.send(&signed(&served.signer(index), fees).1).await.unwrap();
    }
    served.chain.mine(3).unwrap();
    let history = served.provider.get_fee_history(3, BlockNumberOrTag::Number(2), &[0.0, 50.0, 100.0]).await.unwrap();
    assert_eq!(history.oldest_block, 0);
    assert_eq!(history.base_fee_per_gas.len(), 4);
    for (number, base_fee) in (0u64..).zip(&history.base_fee_per_gas) {
        let block = served.provider.get_block_by_number(number.into()).await.unwrap().unwrap();
        assert_eq!(block.header.base_fee_per_gas.map(u128::from), Some(*base_fee));
    }
    assert_eq!(history.gas_used_ratio, [0.0, 84_000.0 / 60_000_000.0, 0.0]);
    assert_eq!(history.reward.unwrap(), [vec![0, 0, 0], vec![GWEI, 2 * GWEI, 10 * GWEI], vec![0, 0, 0]]);

    let estimate = served.provider.estimate_eip1559_fees().await.unwrap();
    assert!(estimate.max_fee_per_gas >= served.provider.get_gas_price().await.unwrap() - GWEI);
    assert_eq!(served.provider.get_max_priority_fee_per_gas().await.unwrap(), GWEI);
    assert_eq!(served.error("eth_feeHistory", json!(["0x1", "latest", [50, 10]])).await["code"], -32000);
    assert_eq!(served.error("eth_feeHistory", json!(["0x1", "0x99", []])).await["message"], "header not found");
    assert_eq!(served.call("eth_feeHistory", json!(["0x2", "latest", null])).await.get("reward"), None);
}

#[tokio::test]
async fn all_three_kinds_of_transactions_pay_what_they_should() {
    use alloy::{
        consensus::{SignableTransaction, TxEip2930, TxEnvelope, TxLegacy},
        eips::Encodable2718,
        network::TxSignerSync,
        primitives::TxKind,
    };
    let served = Served::start(manual()).await;
    let signer = served.signer(0);
    let to = TxKind::Call(Default::default());
    let value = U256::from(1);
    let (gas_price, gas_limit) = (5 * GWEI, 30_000);
    let mut legacy =
        TxLegacy { chain_id: Some(31337), nonce: 0, gas_price, gas_limit, to, value, ..Default::default() };
    let signature = signer.sign_transaction_sync(&mut legacy).unwrap();
    let legacy = TxEnvelope::from(legacy.into_signed(signature));
    let mut listed = TxEip2930 { chain_id: 31337, nonce: 1, gas_price, gas_limit, to, value, ..Default::default() };
    listed.access_list = vec![alloy::eips::eip2930::AccessListItem::default()].into();
    let signature = signer.sign_transaction_sync(&mut listed).unwrap();
    let listed = TxEnvelope::from(listed.into_signed(signature));
    for envelope in [&legacy, &listed] {
        served.send(&envelope.encoded_2718().into()).await.unwrap();
    }
    let (dynamic, raw) = signed(&signer, transfer(2));
    served.send(&raw).await.unwrap();
    served.chain.mine(1).unwrap();
    let base_fee = 875_000_000;
    for (hash, kind, gas, price) in [
        (*legacy.tx_hash(), 0, 21_000, gas_price),
        (*listed.tx_hash(), 1, 23_400, gas_price),
        (dynamic, 2, 21_000, base_fee + GWEI),
    ] {
        let receipt = served.receipt(hash).await;
        assert_eq!((receipt.inner.tx_type() as u8, receipt.gas_used), (kind, gas));
        assert_eq!(receipt.effective_gas_price, price);
        let shown = served.provider.get_transaction_by_hash(hash).await.unwrap().unwrap();
        assert_eq!(shown.effective_gas_price, Some(price));
    }
    let mut unprotected = TxLegacy { chain_id: None, nonce: 3, gas_price, gas_limit, to, value, ..Default::default() };
    let signature = signer.sign_transaction_sync(&mut unprotected).unwrap();
    let raw = TxEnvelope::from(unprotected.into_signed(signature)).encoded_2718();
    let refused = served.send(&raw.into()).await.unwrap_err();
    assert_eq!(refused, "only replay-protected (EIP-155) transactions allowed over RPC");
}
