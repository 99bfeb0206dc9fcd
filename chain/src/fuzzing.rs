//! What foreign bytes reach first, as functions of bytes: `fuzz/` feeds them at random, the tests here from its corpus.

#[cfg(test)]
mod growth;

use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};

use crate::{
    abi,
    classify::classify,
    keystore::{self, KeyFile},
    rpc::{Fault, Header, Log, Receipt, TEXT_MAX, answers_of, decode, has_error},
};

/// A node's answer to three calls: it is read, and every part of it decoded as everything that is ever asked for.
pub fn rpc_answer(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let _ = has_error(&value);
    let answers = answers_of(value, 3);
    assert_eq!(answers.len(), 3, "an answer for every call");
    for answer in answers {
        match answer {
            Ok(value) => decoded(&value),
            Err(fault) => failed(&fault),
        }
    }
}

fn decoded(value: &Value) {
    if let Ok(header) = decode::<Option<Header>>(value.clone())
        && let Some(header) = header
    {
        let _ = (header.number(), header.time(), header.base_fee());
    }
    for log in decode::<Vec<Log>>(value.clone()).unwrap_or_default() {
        let _ = (abi::Event::decode(&log), log.block_number(), log.index());
    }
    if let Ok(Some(receipt)) = decode::<Option<Receipt>>(value.clone()) {
        let _ = (receipt.block_number(), receipt.success());
    }
    let _ = (decode::<U256>(value.clone()), decode::<Bytes>(value.clone()), decode::<Address>(value.clone()));
}

fn failed(fault: &Fault) {
    let _ = classify(fault);
    if let Fault::Node { message, data, .. } = fault {
        storable(message);
        revert(data.as_ref().map_or(&[], |data| data.as_ref()));
    }
}

/// What is shown and stored of somebody else's words.
fn storable(text: &str) {
    assert!(!text.contains('\0'), "PostgreSQL cannot store it");
    assert!(text.chars().count() <= TEXT_MAX, "bounded");
}

/// The data of a revert.
pub fn revert(bytes: &[u8]) {
    storable(&abi::reason(bytes).message);
}

/// A log: the first byte chooses the event, three topics of 32 bytes follow, and the rest is data.
pub fn log(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let Some((words, data)) = rest.split_at_checked(96) else { return };
    let first = abi::TOPICS[usize::from(*choice) % abi::TOPICS.len()];
    let topics: Vec<B256> = std::iter::once(first).chain(words.chunks(32).map(B256::from_slice)).collect();
    let number = "0x1";
    let log = json!({
        "address": Address::ZERO, "topics": topics, "data": Bytes::copy_from_slice(data), "blockNumber": number,
        "blockHash": B256::ZERO, "transactionHash": B256::ZERO, "logIndex": number,
    });
    let _ = abi::Event::decode(&decode::<Log>(log).expect("a well-formed log"));
}

/// A file of the keystore: what is found sound can be opened, or is refused, without a panic. Costly ones are left out.
pub fn key_file(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<KeyFile>(bytes) else { return };
    if keystore::sound(&file).is_err() || !file.is_cheap() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.json");
    std::fs::write(&path, bytes).expect("a file");
    let _ = alloy::signers::local::PrivateKeySigner::decrypt_keystore(path, "password");
}

#[cfg(test)]
mod tests {
    use fixtures::hostile_bytes;

    #[test]
    fn answers_of_nodes() {
        hostile_bytes("chain_rpc_answer", super::rpc_answer);
    }

    #[test]
    fn reverts() {
        hostile_bytes("chain_revert", super::revert);
    }

    #[test]
    fn logs() {
        hostile_bytes("chain_log", super::log);
    }

    #[test]
    fn key_files() {
        hostile_bytes("chain_key_file", super::key_file);
    }
}
