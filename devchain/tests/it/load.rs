//! Many senders at once, with blocks, reorgs and kills in between.

use std::{fs, time::Duration};

use alloy::{
    consensus::TxEip1559,
    primitives::{TxKind, U256},
    providers::Provider,
    sol_types::SolCall,
};
use devchain::{BlockTime, Config, DevChain, Dropped};

use crate::fixture::{Probe, Served, deploy, instant, probe_code, signed, transfer};

const SENDERS: usize = 8;
const EACH: u64 = 60;

/// Sends what increments the probe, from all senders at once and over HTTP.
async fn flood(served: &Served, probe: alloy::primitives::Address) {
    let mut lanes = tokio::task::JoinSet::new();
    for index in 0..SENDERS {
        let (signer, provider) = (served.signer(index), served.provider.clone());
        lanes.spawn(async move {
            let first = provider.get_transaction_count(signer.address()).await.unwrap();
            for nonce in first..first + EACH {
                let input = Probe::incrementCall {}.abi_encode().into();
                let call = TxEip1559 { nonce, to: TxKind::Call(probe), value: U256::ZERO, input, ..transfer(0) };
                let (hash, raw) = signed(&signer, TxEip1559 { gas_limit: 60_000, ..call });
                let sent = provider.send_raw_transaction(&raw).await.unwrap();
                assert_eq!(*sent.tx_hash(), hash);
            }
        });
    }
    lanes.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_is_mined_once_through_reorgs() {
    let block_time = BlockTime::Interval(Duration::from_millis(40));
    let served = Served::start(Config { block_time, ..Config::default() }).await;
    let code =
        TxEip1559 { to: TxKind::Create, value: U256::ZERO, input: probe_code(0), gas_limit: 900_000, ..transfer(0) };
    served.send(&signed(&served.signer(0), code).1).await.unwrap();
    served.chain.mine(3).unwrap();
    let probe = served.chain.accounts()[0].address.create(0);
    let chain = served.chain.clone();
    let disturber = tokio::spawn(async move {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(90)).await;
            let depth = 1 + chain.block_number() % 3;
            let reorged = chain.clone();
            tokio::task::spawn_blocking(move || reorged.reorg(depth, Dropped::ToPool)).await.unwrap().unwrap();
        }
    });
    flood(&served, probe).await;
    disturber.await.unwrap();
    let count = Probe::new(probe, &served.provider);
    let all = U256::from(SENDERS as u64 * EACH);
    for _ in 0..200 {
        if count.count().call().await.unwrap() == all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count.count().call().await.unwrap(), all);
    let mut mined = 0;
    for number in 0..=served.chain.block_number() {
        let receipts = served.provider.get_block_receipts(number.into()).await.unwrap().unwrap();
        assert!(receipts.iter().all(|receipt| receipt.status()));
        mined += receipts.len();
    }
    assert_eq!(mined, SENDERS * EACH as usize + 1);
}

/// Copies of the folder taken while blocks are written start, and agree with the chain that went on.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_writing_leaves_a_true_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(Config { data_dir: Some(folder.path().to_owned()), ..instant() }).await;
    let probe = deploy(&served, 0).await;
    let images: Vec<_> = (0..6).map(|_| tempfile::tempdir().unwrap()).collect();
    let copying = async {
        for image in &images {
            tokio::time::sleep(Duration::from_millis(60)).await;
            for name in ["seed", "blocks"] {
                fs::copy(folder.path().join(name), image.path().join(name)).unwrap();
            }
        }
    };
    tokio::join!(flood(&served, *probe.address()), copying);
    let mut last = 0;
    for image in &images {
        let chain = DevChain::start(Config { data_dir: Some(image.path().to_owned()), ..instant() }).unwrap();
        let copy = Served::of(chain).await;
        let head = copy.provider.get_block(Default::default()).await.unwrap().unwrap();
        assert!(head.header.number >= last);
        last = head.header.number;
        let original = served.provider.get_block_by_number(last.into()).await.unwrap().unwrap();
        assert_eq!(head, original);
        if last > 0 {
            let count = Probe::new(*probe.address(), &copy.provider).count().call().await.unwrap();
            let mut mined = 0;
            for number in 2..=last {
                mined += copy.provider.get_block_transaction_count_by_number(number.into()).await.unwrap().unwrap();
            }
            assert_eq!(count, U256::from(mined));
        }
    }
    assert!(last > 1, "something was written meanwhile");
}
