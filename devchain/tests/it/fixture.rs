//! A chain with an HTTP server and clients for it.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    network::{EthereumWallet, TransactionBuilder, TxSignerSync},
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
    sol,
};
use devchain::{BlockTime, Config, DevChain};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

sol! {
    /// The contract in `probe.sol`.
    #[sol(rpc)]
    #[derive(Debug)]
    contract Probe {
        error Refused(uint256 code, address who);
        event Counted(address indexed who, uint256 indexed value, bytes note);
        event Other(uint256 value);
        constructor(uint256 start) payable;
        function count() external view returns (uint256);
        function paid(address who) external view returns (uint256);
        function increment() external;
        function incrementAndLog(bytes calldata note) external;
        function refuse(uint256 code) external view;
        function demand(bool yes) external pure;
        function divide(uint256 by) external pure returns (uint256);
        function burn() external;
        function broken() external pure;
        function pay() external payable;
        function clear() external;
        function fill(uint256 slots) external;
        function context() external view returns (uint256 number, uint256 time, uint256 chain, bytes32 previous, uint256 baseFee, uint256 random);
        function nested(uint256 gasKept) external returns (bool ok);
    }
}

pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const ETHER: u128 = 1_000_000_000 * GWEI;

/// The code that deploys the probe with a start value.
pub(crate) fn probe_code(start: u64) -> Bytes {
    let code = alloy::hex::decode(include_str!("probe.hex")).unwrap();
    [code, U256::from(start).to_be_bytes_vec()].concat().into()
}

/// A running chain and where it is served.
pub(crate) struct Served {
    pub(crate) chain: DevChain,
    pub(crate) url: String,
    pub(crate) provider: DynProvider,
    _stop: DropGuard,
}

pub(crate) fn manual() -> Config {
    Config { block_time: BlockTime::Manual, ..Config::default() }
}

pub(crate) fn instant() -> Config {
    Config { block_time: BlockTime::Instant, ..Config::default() }
}

impl Served {
    pub(crate) async fn start(config: Config) -> Self {
        Self::of(DevChain::start(config).unwrap()).await
    }

    pub(crate) async fn of(chain: DevChain) -> Self {
        // Needed once a process before reqwest is used; the second test finds it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(chain.serve(listener, stop.clone()));
        let provider = ProviderBuilder::new().connect_http(url.parse().unwrap()).erased();
        Self { chain, url, provider, _stop: stop.drop_guard() }
    }

    /// The signer of a prefunded account.
    pub(crate) fn signer(&self, index: usize) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&self.chain.accounts()[index].private_key).unwrap()
    }

    /// A client that fills in and signs what it sends, as applications use alloy.
    pub(crate) fn wallet(&self, index: usize) -> impl Provider + Clone + use<> {
        ProviderBuilder::new()
            .with_simple_nonce_management()
            .wallet(EthereumWallet::from(self.signer(index)))
            .connect_http(self.url.parse().unwrap())
    }

    /// Sends a request as it is and answers what comes back.
    pub(crate) async fn post(&self, body: Value) -> Value {
        let answer = self.chain.rpc(body.to_string().into_bytes()).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// Calls a method; answers its result.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.post(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        assert_eq!(answer["error"], Value::Null, "{method} {params}");
        answer["result"].clone()
    }

    /// Calls a method that is to fail; answers its error.
    pub(crate) async fn error(&self, method: &str, params: Value) -> Value {
        let answer = self.post(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        assert_eq!(answer["result"], Value::Null, "{method} {params}");
        answer["error"].clone()
    }

    /// Sends a signed transaction; answers its hash or the error's text.
    pub(crate) async fn send(&self, raw: &Bytes) -> Result<B256, String> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
        let answer = self.post(body).await;
        match answer["result"].as_str() {
            Some(hash) => Ok(hash.parse().unwrap()),
            None => {
                assert_eq!(answer["error"]["code"], -32000);
                Err(answer["error"]["message"].as_str().unwrap().to_owned())
            }
        }
    }

    pub(crate) async fn receipt(&self, hash: B256) -> TransactionReceipt {
        self.provider.get_transaction_receipt(hash).await.unwrap().expect("a receipt")
    }
}

/// A transaction of the usual kind, to be changed as a test needs it.
pub(crate) fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 31337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 3 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

/// Signs; answers the hash and the raw bytes.
pub(crate) fn signed(signer: &PrivateKeySigner, mut transaction: TxEip1559) -> (B256, Bytes) {
    let signature = signer.sign_transaction_sync(&mut transaction).unwrap();
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    (*envelope.tx_hash(), envelope.encoded_2718().into())
}

/// A probe that the first account has deployed and calls.
pub(crate) async fn deploy(served: &Served, start: u64) -> Probe::ProbeInstance<DynProvider> {
    let wallet = served.wallet(0).erased();
    let request = TransactionRequest::default().with_deploy_code(probe_code(start));
    let receipt = wallet.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    Probe::new(receipt.contract_address.unwrap(), wallet)
}
