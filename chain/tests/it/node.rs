//! The nodes that tests run against: the development chain in this process, and Anvil as a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use devchain::{BlockTime, DevChain};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// Anvil's first account; worth nothing anywhere.
const ANVIL_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// A running node.
pub(crate) struct Node {
    pub(crate) url: String,
    /// Holds the network's coin.
    pub(crate) rich: PrivateKeySigner,
    pub(crate) chain_id: u64,
    /// The development chain's own handle.
    pub(crate) devchain: Option<DevChain>,
    process: Option<Child>,
    stop: CancellationToken,
}

impl Node {
    pub(crate) async fn devchain(block_time: BlockTime) -> Self {
        let config = devchain::Config { block_time, ..devchain::Config::default() };
        let chain = DevChain::start(config).expect("the development chain starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        tokio::spawn(chain.serve(listener, stop.clone()));
        let rich = PrivateKeySigner::from_bytes(&chain.accounts()[0].private_key).expect("a key");
        Self { url, rich, chain_id: 31_337, devchain: Some(chain), process: None, stop }
    }

    pub(crate) fn anvil(arguments: &[&str]) -> Self {
        let program = std::env::var("QUITTANCE_TEST_ANVIL").unwrap_or_else(|_| "anvil".to_owned());
        let mut process = Command::new(&program)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} (QUITTANCE_TEST_ANVIL) does not start: {error}"));
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(|address| address.trim().to_owned()))
            .expect("Anvil says where it listens");
        // An unread pipe would fill up and stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            url: format!("http://{address}"),
            rich: ANVIL_KEY.parse().expect("a key"),
            chain_id: 31_337,
            devchain: None,
            process: Some(process),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn secret_url(&self) -> SecretString {
        SecretString::from(self.url.clone())
    }

    /// Calls the node directly.
    pub(crate) async fn rpc(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
        let answer = client.post(&self.url).json(&body).send().await.expect("the node answers");
        let mut answer: serde_json::Value = answer.json().await.expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
