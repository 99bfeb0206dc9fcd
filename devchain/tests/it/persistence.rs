//! What a restart finds, after a clean end and after none.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use alloy::{
    primitives::U256,
    providers::Provider,
    rpc::types::{Block, Filter, TransactionReceipt},
};
use devchain::{Config, DevChain, Dropped};
use serde_json::json;

use crate::fixture::{Probe, Served, deploy, instant, manual, signed, transfer};

/// Everything that clients may have seen of a chain.
#[derive(Debug, PartialEq)]
struct Seen {
    blocks: Vec<Block>,
    receipts: Vec<TransactionReceipt>,
    logs: Vec<alloy::rpc::types::Log>,
    count: U256,
    balances: Vec<U256>,
}

async fn look(served: &Served, probe: alloy::primitives::Address, upto: u64) -> Seen {
    let mut blocks = Vec::new();
    let mut receipts = Vec::new();
    for number in 0..=upto {
        blocks.push(served.provider.get_block_by_number(number.into()).full().await.unwrap().unwrap());
        receipts.extend(served.provider.get_block_receipts(number.into()).await.unwrap().unwrap());
    }
    let mut balances = Vec::new();
    for account in served.chain.accounts() {
        balances.push(served.provider.get_balance(account.address).block_id(upto.into()).await.unwrap());
    }
    let logs = served.provider.get_logs(&Filter::new().from_block(0).to_block(upto)).await.unwrap();
    let count = Probe::new(probe, &served.provider).count().block(upto.into()).call().await.unwrap();
    Seen { blocks, receipts, logs, count, balances }
}

/// A copy of the folder as a kill would leave it.
fn image(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn at(folder: &Path) -> Config {
    Config { data_dir: Some(folder.to_owned()), ..instant() }
}

/// Contracts, logs, funds, idle stretches and a reorg.
async fn eventful(served: &Served) -> Probe::ProbeInstance<alloy::providers::DynProvider> {
    let probe = deploy(served, 1).await;
    for round in 0..3 {
        served.chain.mine(70).unwrap();
        probe.incrementAndLog([round].into()).send().await.unwrap().get_receipt().await.unwrap();
        served.chain.fund(served.chain.accounts()[3].address, U256::from(5)).unwrap();
    }
    served.chain.reorg(80, Dropped::ToPool).unwrap();
    served.chain.mine(10).unwrap();
    probe.increment().send().await.unwrap().get_receipt().await.unwrap();
    probe
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing_that_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(at(folder.path())).await;
    let probe = eventful(&served).await;
    let head = served.chain.block_number();
    let seen = look(&served, *probe.address(), head).await;
    let killed = image(folder.path());
    assert!(!killed.path().join("state").exists(), "nothing was flushed");
    let second = Served::start(at(killed.path())).await;
    assert_eq!(second.chain.block_number(), head);
    assert_eq!(look(&second, *probe.address(), head).await, seen);
    assert_eq!(second.signer(0), served.signer(0));
    second.send(&signed(&second.signer(5), transfer(0)).1).await.unwrap();
    assert_eq!(second.chain.block_number(), head + 1);

    // A write that was cut short loses that block alone.
    let mut log = fs::read(folder.path().join("blocks")).unwrap();
    log.truncate(log.len() - 3);
    let torn = image(folder.path());
    fs::write(torn.path().join("blocks"), &log).unwrap();
    let third = Served::start(at(torn.path())).await;
    assert_eq!(third.chain.block_number(), head - 1);
    let mut without_last = look(&third, *probe.address(), head - 1).await;
    assert_eq!(without_last.blocks, seen.blocks[..seen.blocks.len() - 1]);
    without_last.balances.clear();
    third.chain.mine(2).unwrap();
    let again = image(torn.path());
    drop(third);
    assert_eq!(DevChain::start(at(again.path())).unwrap().block_number(), head + 1);
}

#[tokio::test]
async fn a_clean_end_and_a_snapshot_change_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(at(folder.path())).await;
    let probe = eventful(&served).await;
    served.chain.flush().unwrap();
    assert!(folder.path().join("state").exists());
    // After the snapshot: more of everything, and a reorg to before it.
    probe.incrementAndLog([7].into()).send().await.unwrap().get_receipt().await.unwrap();
    served.chain.mine(5).unwrap();
    served.chain.reorg(30, Dropped::ToPool).unwrap();
    served.chain.mine(1).unwrap();
    let head = served.chain.block_number();
    let seen = look(&served, *probe.address(), head).await;
    let killed = image(folder.path());
    let second = Served::start(at(killed.path())).await;
    assert_eq!(look(&second, *probe.address(), head).await, seen);
    served.chain.shutdown().unwrap();
    let ended = image(folder.path());
    let third = Served::start(at(ended.path())).await;
    assert_eq!(look(&third, *probe.address(), head).await, seen);
    fs::write(ended.path().join("state"), b"not a snapshot").unwrap();
    let broken = image(ended.path());
    let fourth = Served::start(at(broken.path())).await;
    assert_eq!(look(&fourth, *probe.address(), head).await, seen);
}

#[tokio::test]
async fn damage_in_the_middle_is_reported_and_not_repaired_away() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(at(folder.path())).await;
    eventful(&served).await;
    let damaged = image(folder.path());
    let log = damaged.path().join("blocks");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&log, &bytes).unwrap();
    let error = DevChain::start(at(damaged.path())).unwrap_err();
    assert!(format!("{error:#}").contains("damaged"), "{error:#}");
    assert_eq!(fs::read(&log).unwrap(), bytes);
}

#[tokio::test]
async fn a_folder_belongs_to_one_process_and_one_chain_id() {
    let folder = tempfile::tempdir().unwrap();
    let chain = DevChain::start(at(folder.path())).unwrap();
    let error = DevChain::start(at(folder.path())).unwrap_err();
    assert!(format!("{error:#}").contains("in use"), "{error:#}");
    let other = image(folder.path());
    let error = DevChain::start(Config { chain_id: 5, ..at(other.path()) }).unwrap_err();
    assert!(format!("{error:#}").contains("chain with id 31337"), "{error:#}");
    drop(chain);
    DevChain::start(at(folder.path())).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path().join("seed")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn keys_are_random_unless_a_seed_is_given() {
    let first = DevChain::start(manual()).unwrap();
    let second = DevChain::start(manual()).unwrap();
    assert_ne!(first.accounts()[0].address, second.accounts()[0].address);
    let seeded = || DevChain::start(Config { seed: Some([7; 32].into()), accounts: 3, ..manual() }).unwrap();
    assert_eq!(seeded().accounts()[2].private_key, seeded().accounts()[2].private_key);
    assert_eq!(seeded().accounts().len(), 3);
    let key = first.accounts()[0].private_key.to_string();
    assert!(first.banner().contains(&key));
    assert!(!format!("{first:?}").contains(&key[2..]), "keys do not get into logs");
    let folder = tempfile::tempdir().unwrap();
    drop(DevChain::start(Config { accounts: 1, ..at(folder.path()) }).unwrap());
    let more = Served::start(Config { accounts: 2, ..at(folder.path()) }).await;
    more.chain.mine(1).unwrap();
    let latecomer = more.chain.accounts()[1].address;
    assert_eq!(more.call("eth_getBalance", json!([latecomer])).await, "0x21e19e0c9bab2400000");
}

#[tokio::test]
async fn a_long_idle_chain_starts_quickly_and_takes_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { block_time: devchain::BlockTime::Manual, ..at(folder.path()) };
    let first = DevChain::start(config.clone()).unwrap();
    first.mine(100_000).unwrap();
    drop(first);
    assert!(fs::metadata(folder.path().join("blocks")).unwrap().len() < 3_000_000);
    let started = Instant::now();
    let second = DevChain::start(config).unwrap();
    assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(second.block_number(), 100_000);
}
