//! Whose keys an installation of the kill table signs with: its own alone, beside a remote one, or a remote one alone.

use std::process::Command;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use chain::{Account, Keystore};
use serde_json::Value;

use crate::{
    operator::{operate, stdout},
    process::Process,
    world::{World, free_port},
};

/// Anvil's third account, which nobody else uses.
const REMOTE: &str = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Own,
    /// Two operators of one diamond share its backlog.
    Two,
    /// The wallet's key lies with an Anvil, which signs for whoever asks it.
    Remote,
}

impl Keys {
    /// Of the installation with this number.
    pub(super) fn of(number: usize) -> Self {
        [Self::Own, Self::Two, Self::Remote][number % 3]
    }
}

/// The remote signer, as long as it is needed, and the settings that name it.
pub(super) struct RemoteSigner {
    url: String,
    _server: Process,
    _folder: tempfile::TempDir,
}

impl RemoteSigner {
    pub(super) fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port().to_string());
        let mut anvil = Command::new(std::env::var("QUITTANCE_TEST_ANVIL").unwrap_or("anvil".to_owned()));
        anvil.args(["--port", &port, "--chain-id", "31337", "--silent"]);
        let server = Process::start(anvil, &folder.path().join("signer.log"));
        Self { url: format!("http://127.0.0.1:{port}"), _server: server, _folder: folder }
    }

    pub(super) fn settings(&self, keys: Keys) -> Vec<(&'static str, String)> {
        let remote = ("QUITTANCE_CHAIN__REMOTE_SIGNERS", format!("{REMOTE}={}", self.url));
        match keys {
            Keys::Own => Vec::new(),
            Keys::Two => vec![remote, ("QUITTANCE_CHAIN__SIGNERS", REMOTE.to_owned())],
            Keys::Remote => vec![remote],
        }
    }
}

/// Makes the remote key an operator of the diamond; `Remote`: and the wallet's. Before the first payment, so that the owner's
/// nonce is nobody else's.
pub(super) async fn hand_over(world: &World, keys: Keys) {
    if keys == Keys::Own {
        return;
    }
    let signers = |arguments: &[&str]| stdout(&operate(world, &[&["signers"], arguments].concat()));
    let listed: Value = serde_json::from_str(&signers(&["list", "--json"])).unwrap();
    // A worker has registered the keys of its settings.
    let items = listed["items"].as_array().unwrap();
    let bootstrapped = items.iter().find(|signer| signer["name"] == "first").unwrap();
    let text = |field: &str| bootstrapped[field].as_str().unwrap().to_owned();
    let (own, node) = (text("address"), text("node_id"));
    let remote: Address = REMOTE.parse().unwrap();
    let url = world.playground()["rpc_url"].as_str().unwrap().to_owned();
    let payer = world.playground()["payer"]["private_key"].as_str().unwrap().parse().unwrap();
    let payer = Account::connect(url.clone().into(), payer).await.unwrap();
    payer.transfer(remote, U256::from(10).pow(U256::from(20))).await.unwrap();
    let diamond: Address = world.playground()["diamond_address"].as_str().unwrap().parse().unwrap();
    let selector = &keccak256("setOperator(address,bool)")[..4];
    let input = [selector, remote.into_word().as_slice(), B256::with_last_byte(1).as_slice()].concat();
    let owner = keystore(world).signer(own.parse().unwrap()).await.unwrap();
    let owner = Account::connect(url.into(), owner).await.unwrap();
    owner.call(diamond, U256::ZERO, Bytes::from(input)).await.unwrap();
    if keys == Keys::Remote {
        signers(&["register", REMOTE, "--node", &node, "--name", "remote"]);
        signers(&["rotate", &own, "--to", REMOTE]);
        signers(&["pause", &own, "--reason", "the remote one signs"]);
    }
}

/// The keys that the installation was bootstrapped with.
pub(crate) fn keystore(world: &World) -> Keystore {
    let secrets = std::fs::read(world.data_dir().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&secrets).unwrap();
    let password = secrets["keystore_password"].as_str().unwrap().to_owned();
    Keystore::open(&world.data_dir().join("keystore"), password.into(), 12).unwrap()
}
