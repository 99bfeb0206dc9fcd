//! The same transactions and calls here and on Anvil.

use std::{env, time::Duration};

use alloy::{
    consensus::TxEip1559,
    eips::eip2930::AccessListItem,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::fixture::{ETHER, GWEI, Probe, Served, instant, probe_code, signed, transfer};

/// A running Anvil; it ends with the value.
struct Anvil {
    provider: DynProvider,
    _process: Child,
}

impl Anvil {
    async fn start() -> Self {
        let path = env::var("QUITTANCE_TEST_ANVIL").unwrap_or_else(|_| "anvil".to_owned());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(&path)
            .args(["--port", &port.to_string(), "--hardfork", "osaka", "--silent", "--gas-limit", "60000000"])
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {path} (set QUITTANCE_TEST_ANVIL): {error}"));
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let provider = ProviderBuilder::new().connect_http(url).erased();
        for _ in 0..300 {
            if provider.get_chain_id().await.is_ok() {
                return Self { provider, _process: process };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Anvil does not answer");
    }
}

/// What should not depend on who executes it.
fn essence(receipt: &TransactionReceipt) -> Value {
    let logs: Vec<Value> =
        receipt.inner.logs().iter().map(|log| json!([log.inner.address, log.inner.data, log.log_index])).collect();
    json!([
        receipt.status(),
        receipt.gas_used,
        receipt.inner.cumulative_gas_used(),
        receipt.contract_address,
        receipt.inner.logs_bloom(),
        receipt.inner.tx_type() as u8,
        logs,
    ])
}

async fn execute(provider: &DynProvider, raw: &Bytes) -> Value {
    let hash = *provider.send_raw_transaction(raw).await.unwrap().tx_hash();
    for _ in 0..100 {
        if let Some(receipt) = provider.get_transaction_receipt(hash).await.unwrap() {
            return essence(&receipt);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{hash} is not mined");
}

/// The result, or the error's code and data.
async fn outcome(provider: &DynProvider, method: &'static str, params: &Value) -> Value {
    match provider.raw_request::<_, Value>(method.into(), params).await {
        Ok(result) => result,
        Err(error) => {
            let error = error.as_error_resp().unwrap();
            let data: Option<Value> = error.data.as_ref().map(|data| serde_json::from_str(data.get()).unwrap());
            json!({ "code": error.code, "data": data })
        }
    }
}

fn calls(probe: Address) -> Vec<TxEip1559> {
    let call =
        |input: Vec<u8>| TxEip1559 { to: TxKind::Call(probe), value: U256::ZERO, input: input.into(), ..transfer(0) };
    let note = |length| Probe::incrementAndLogCall { note: vec![0xab; length].into() }.abi_encode();
    let listed = AccessListItem { address: probe, storage_keys: vec![B256::ZERO] };
    let mut halted = call(Probe::burnCall {}.abi_encode());
    halted.gas_limit = 100_000;
    vec![
        call(Probe::incrementCall {}.abi_encode()),
        call(note(0)),
        call(note(500)),
        TxEip1559 { access_list: vec![listed].into(), ..call(Probe::incrementCall {}.abi_encode()) },
        TxEip1559 { value: U256::from(7), ..call(Probe::payCall {}.abi_encode()) },
        call(Probe::refuseCall { code: U256::from(3) }.abi_encode()),
        call(Probe::demandCall { yes: false }.abi_encode()),
        call(Probe::brokenCall {}.abi_encode()),
        halted,
        call(Probe::fillCall { slots: U256::from(25) }.abi_encode()),
        call(Probe::nestedCall { gasKept: U256::from(50_000) }.abi_encode()),
        call(Probe::clearCall {}.abi_encode()),
        call(vec![0xff; 700]),
        TxEip1559 { to: TxKind::Call(Address::repeat_byte(0x55)), value: U256::from(1), ..call(Vec::new()) },
        TxEip1559 { to: TxKind::Create, ..call(vec![0xfe]) },
        TxEip1559 { to: TxKind::Create, ..call(vec![0x60, 0xef, 0x5f, 0x53, 0x60, 0x01, 0x5f, 0xf3]) },
    ]
}

#[tokio::test]
async fn gas_receipts_logs_and_reverts_are_the_same() {
    let (served, anvil) = (Served::start(instant()).await, Anvil::start().await);
    let signer = PrivateKeySigner::random();
    served.chain.fund(signer.address(), U256::from(100 * ETHER)).unwrap();
    let balance = json!([signer.address(), U256::from(100 * ETHER)]);
    anvil.provider.raw_request::<_, Value>("anvil_setBalance".into(), &balance).await.unwrap();

    let create = TxEip1559 { to: TxKind::Create, value: U256::ZERO, input: probe_code(9), ..transfer(0) };
    let probe = signer.address().create(0);
    for (nonce, transaction) in (0..).zip(std::iter::once(create).chain(calls(probe))) {
        let gas_limit = if transaction.gas_limit == 100_000 { 100_000 } else { 3_000_000 };
        let (_, raw) = signed(&signer, TxEip1559 { nonce, gas_limit, max_fee_per_gas: 50 * GWEI, ..transaction });
        let (here, there) = (execute(&served.provider, &raw).await, execute(&anvil.provider, &raw).await);
        assert_eq!(here, there, "transaction {nonce}");
    }
    let from = signer.address();
    for input in calls(probe).into_iter().map(|transaction| transaction.input) {
        let params = json!([{"from": from, "to": probe, "data": input, "gas": "0x30d40"}, "latest"]);
        let here = outcome(&served.provider, "eth_call", &params).await;
        let there = outcome(&anvil.provider, "eth_call", &params).await;
        // Of calls that run out of gas or hit an invalid opcode, Anvil answers -32603, geth and we -32000.
        match (&here["code"], &there["code"]) {
            (Value::Number(ours), Value::Number(theirs)) if ours.as_i64() == Some(-32000) => {
                assert_eq!(theirs.as_i64(), Some(-32603), "{input}");
            }
            _ => assert_eq!(here, there, "{input}"),
        }
    }
    for (method, params) in [
        ("eth_getCode", json!([probe, "latest"])),
        ("eth_getStorageAt", json!([probe, "0x3e8", "latest"])),
        ("eth_getTransactionCount", json!([from, "latest"])),
        ("eth_getTransactionCount", json!([from, "pending"])),
        ("eth_chainId", json!([])),
        ("net_version", json!([])),
    ] {
        let here = outcome(&served.provider, method, &params).await;
        assert_eq!(here, outcome(&anvil.provider, method, &params).await, "{method}");
    }
}

/// Estimates differ by method; both suffice, and neither is far from the other.
#[tokio::test]
async fn estimates_are_close() {
    let (served, anvil) = (Served::start(instant()).await, Anvil::start().await);
    let params = json!([{"from": Address::ZERO, "data": probe_code(1)}]);
    let number = |value: Value| u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let here = number(outcome(&served.provider, "eth_estimateGas", &params).await);
    let there = number(outcome(&anvil.provider, "eth_estimateGas", &params).await);
    assert!(here.abs_diff(there) * 50 < there, "{here} against {there}");
}
