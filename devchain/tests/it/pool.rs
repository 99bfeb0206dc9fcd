//! Which transactions wait, which are refused and how, and in what order they are mined.

use alloy::{
    consensus::TxEip1559,
    primitives::{B256, Bytes, TxKind, U256},
    providers::Provider,
};
use serde_json::json;

use crate::fixture::{ETHER, GWEI, Served, instant, manual, signed, transfer};

#[tokio::test]
async fn a_nonce_gap_waits_until_it_is_filled() {
    let served = Served::start(manual()).await;
    let (signer, sender) = (served.signer(0), served.chain.accounts()[0].address);
    let hashes: Vec<B256> = {
        let mut hashes = Vec::new();
        for nonce in [1, 2, 4] {
            hashes.push(served.send(&signed(&signer, transfer(nonce)).1).await.unwrap());
        }
        hashes
    };
    served.chain.mine(1).unwrap();
    assert_eq!(served.provider.get_transaction_count(sender).await.unwrap(), 0);
    assert_eq!(served.provider.get_transaction_count(sender).pending().await.unwrap(), 0);
    assert_eq!(served.call("txpool_status", json!([])).await, json!({"pending": "0x0", "queued": "0x3"}));
    let waiting = served.provider.get_transaction_by_hash(hashes[0]).await.unwrap().unwrap();
    assert_eq!((waiting.block_hash, waiting.block_number), (None, None));
    assert!(served.provider.get_transaction_receipt(hashes[0]).await.unwrap().is_none());

    let filler = served.send(&signed(&signer, transfer(0)).1).await.unwrap();
    assert_eq!(served.provider.get_transaction_count(sender).pending().await.unwrap(), 3);
    served.chain.mine(1).unwrap();
    assert_eq!(served.provider.get_transaction_count(sender).await.unwrap(), 3);
    for (index, hash) in [filler, hashes[0], hashes[1]].into_iter().enumerate() {
        assert_eq!(served.receipt(hash).await.transaction_index, Some(index as u64));
    }
    assert!(served.provider.get_transaction_receipt(hashes[2]).await.unwrap().is_none());
    assert_eq!(served.call("txpool_status", json!([])).await, json!({"pending": "0x0", "queued": "0x1"}));
}

#[tokio::test]
async fn without_intervals_a_block_is_made_when_there_is_something_for_it() {
    let served = Served::start(instant()).await;
    let signer = served.signer(0);
    let second = served.send(&signed(&signer, transfer(1)).1).await.unwrap();
    assert_eq!(served.chain.block_number(), 0);
    let first = served.send(&signed(&signer, transfer(0)).1).await.unwrap();
    assert_eq!(served.chain.block_number(), 1);
    for hash in [first, second] {
        assert_eq!(served.receipt(hash).await.block_number, Some(1));
    }
}

#[tokio::test]
async fn a_replacement_needs_a_tenth_more_of_both_fees() {
    let served = Served::start(manual()).await;
    let signer = served.signer(0);
    let with_fees = |max_fee: u128, tip: u128| {
        let transaction = TxEip1559 { max_fee_per_gas: max_fee, max_priority_fee_per_gas: tip, ..transfer(0) };
        signed(&signer, transaction)
    };
    let (old, raw) = with_fees(100 * GWEI, 10 * GWEI);
    served.send(&raw).await.unwrap();
    assert_eq!(served.send(&raw).await.unwrap_err(), "already known");
    let just_below = [(110 * GWEI - 1, 11 * GWEI), (110 * GWEI, 11 * GWEI - 1), (200 * GWEI, 10 * GWEI)];
    for (max_fee, tip) in just_below {
        let refused = served.send(&with_fees(max_fee, tip).1).await.unwrap_err();
        assert_eq!(refused, "replacement transaction underpriced", "{max_fee} {tip}");
    }
    let (new, raw) = with_fees(110 * GWEI, 11 * GWEI);
    served.send(&raw).await.unwrap();
    assert!(served.provider.get_transaction_by_hash(old).await.unwrap().is_none());
    served.chain.mine(1).unwrap();
    assert!(served.receipt(new).await.status());
    let late = served.send(&with_fees(200 * GWEI, 20 * GWEI).1).await.unwrap_err();
    assert_eq!(late, "nonce too low: next nonce 1, tx nonce 0");
}

#[tokio::test]
async fn refusals_read_as_on_geth() {
    let served = Served::start(manual()).await;
    let signer = served.signer(0);
    let base = || TxEip1559 { gas_limit: 100_000, ..transfer(0) };
    let cases: Vec<(TxEip1559, &str)> = vec![
        (TxEip1559 { gas_limit: 20_999, ..base() }, "intrinsic gas too low: gas 20999, minimum needed 21000"),
        (
            TxEip1559 { gas_limit: 30_000, input: Bytes::from(vec![1; 1000]), ..base() },
            "intrinsic gas too low: gas 30000, minimum needed 37000",
        ),
        (
            TxEip1559 { gas_limit: 50_000, input: Bytes::from(vec![1; 1000]), ..base() },
            "insufficient gas for floor data gas cost: gas 50000, minimum needed 61000",
        ),
        (
            TxEip1559 { gas_limit: (1 << 24) + 1, ..base() },
            "transaction gas limit too high (cap: 16777216, tx: 16777217)",
        ),
        (
            TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 2, ..base() },
            "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: 2, maxFeePerGas: 1",
        ),
        (TxEip1559 { chain_id: 1, ..base() }, "invalid sender: invalid chain id for signer: have 1 want 31337"),
        (TxEip1559 { nonce: u64::MAX, ..base() }, "nonce has max value"),
        (
            TxEip1559 { to: TxKind::Create, input: Bytes::from(vec![0; 49_153]), ..base() },
            "max initcode size exceeded: code size 49153 limit 49152",
        ),
        (
            TxEip1559 { value: U256::from(10_000 * ETHER), ..base() },
            "insufficient funds for gas * price + value: balance 10000000000000000000000, \
             tx cost 10000000300000000000000, overshot 300000000000000",
        ),
    ];
    for (transaction, text) in cases {
        assert_eq!(served.send(&signed(&signer, transaction).1).await.unwrap_err(), text);
    }
    let oversized = TxEip1559 { input: Bytes::from(vec![0; 131_072]), ..base() };
    let refused = served.send(&signed(&signer, oversized).1).await.unwrap_err();
    assert!(refused.starts_with("oversized data: transaction size 131"), "{refused}");
    assert!(served.send(&Bytes::from_static(&[2, 0xc1])).await.unwrap_err().starts_with("rlp: "));
    assert_eq!(served.call("txpool_status", json!([])).await, json!({"pending": "0x0", "queued": "0x0"}));
}

#[tokio::test]
async fn what_waits_counts_against_the_balance() {
    let served = Served::start(manual()).await;
    let signer = served.signer(0);
    let half = |nonce| TxEip1559 { value: U256::from(4_000 * ETHER), ..transfer(nonce) };
    for nonce in [0, 1] {
        served.send(&signed(&signer, half(nonce)).1).await.unwrap();
    }
    let refused = served.send(&signed(&signer, half(2)).1).await.unwrap_err();
    assert!(refused.contains("queued cost 8000000126000000000000, tx cost 4000000063000000000000"), "{refused}");
    let dearer = TxEip1559 { max_fee_per_gas: 4 * GWEI, max_priority_fee_per_gas: 2 * GWEI, ..half(1) };
    served.send(&signed(&signer, dearer).1).await.unwrap();
}

#[tokio::test]
async fn the_best_tip_goes_first_and_an_uncovered_base_fee_waits() {
    let served = Served::start(manual()).await;
    let with_tip = |tip| TxEip1559 { max_priority_fee_per_gas: tip, max_fee_per_gas: 10 * GWEI, ..transfer(0) };
    let mut hashes = Vec::new();
    for (index, tip) in [(0, GWEI), (1, 5 * GWEI), (2, 3 * GWEI)] {
        hashes.push(served.send(&signed(&served.signer(index), with_tip(tip)).1).await.unwrap());
    }
    let poor = TxEip1559 { max_fee_per_gas: 7, max_priority_fee_per_gas: 0, ..transfer(0) };
    let poor = served.send(&signed(&served.signer(3), poor).1).await.unwrap();
    served.chain.mine(1).unwrap();
    let mut order = Vec::new();
    for hash in hashes {
        order.push(served.receipt(hash).await.transaction_index.unwrap());
    }
    assert_eq!(order, [2, 0, 1]);
    assert!(served.provider.get_transaction_receipt(poor).await.unwrap().is_none());
    served.chain.mine(200).unwrap();
    assert!(served.receipt(poor).await.status(), "the base fee of empty blocks falls to 7 wei");
}

#[tokio::test]
async fn a_block_holds_no_more_gas_than_its_limit() {
    let served = Served::start(manual()).await;
    for index in 0..5 {
        let transaction = TxEip1559 { gas_limit: 1 << 24, ..transfer(0) };
        served.send(&signed(&served.signer(index), transaction).1).await.unwrap();
    }
    // A limit of 60 million has room for three of 2^24 at a time; what is not used makes room for more.
    served.chain.mine(1).unwrap();
    assert_eq!(served.provider.get_block_transaction_count_by_number(1.into()).await.unwrap(), Some(5));
    let burner = TxEip1559 {
        to: TxKind::Create,
        value: U256::ZERO,
        input: Bytes::from_static(&[0x5b, 0x5f, 0x56]),
        gas_limit: 1 << 24,
        ..transfer(1)
    };
    for index in 0..5 {
        served.send(&signed(&served.signer(index), burner.clone()).1).await.unwrap();
    }
    served.chain.mine(2).unwrap();
    assert_eq!(served.provider.get_block_transaction_count_by_number(2.into()).await.unwrap(), Some(3));
    assert_eq!(served.provider.get_block_transaction_count_by_number(3.into()).await.unwrap(), Some(2));
    let blocks = [2, 3].map(|number| served.provider.get_block_by_number(number.into()));
    let [full, next] = blocks;
    let (full, next) = (full.await.unwrap().unwrap(), next.await.unwrap().unwrap());
    assert_eq!(full.header.gas_used, 3 << 24);
    assert!(next.header.base_fee_per_gas > full.header.base_fee_per_gas);
}
