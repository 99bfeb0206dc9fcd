//! What a sender without batches reaches: one deal a transaction, nonces counted by itself, up to 64 of them unmined.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol,
    sol_types::SolCall,
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use crate::{
    http::Connection,
    merchant::PAYEE,
    process::{Process, anvil, free_port},
};

/// Transactions that wait to be mined, at most.
pub(super) const UNMINED: usize = 64;

/// How often the account's mined transactions are counted.
const POLL: Duration = Duration::from_millis(5);

/// How long a transaction may take to be mined.
const MINED_WITHIN: Duration = Duration::from_secs(60);

/// How long a mined transaction's logs may take to appear.
const LOGS_WITHIN: Duration = Duration::from_secs(5);

/// More than one deal takes.
const GAS: u64 = 300_000;

/// Anvil's first account, known to everybody.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

sol! {
    function createDeal(
        uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
    ) external;
}

/// A sender with a node and a diamond of its own.
pub(super) struct BareSender {
    rpc: String,
    signer: Rc<PrivateKeySigner>,
    chain_id: u64,
    diamond: Address,
    token: Address,
    _anvil: Process,
    _folder: TempDir,
}

impl BareSender {
    pub(super) async fn start(block_time_s: Option<u64>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let rpc = format!("127.0.0.1:{port}");
        let mut node = Process::start(anvil(port, block_time_s), &folder.path().join("anvil.log"))?;
        node.answers(&rpc, "/").await?;
        let signer: PrivateKeySigner = KEY.parse()?;
        let account = chain::Account::connect(format!("http://{rpc}").into(), signer.clone()).await?;
        let owner = account.address();
        let deployment = chain::Deployment { owner, operators: vec![owner], delay_s: 0 };
        let (diamond, token) = (account.deploy_diamond(&deployment).await?, account.deploy_test_token().await?);
        let chain_id = account.chain_id();
        Ok(Self { rpc, signer: Rc::new(signer), chain_id, diamond, token, _anvil: node, _folder: folder })
    }

    /// Opens this many deals and returns how long it took until the last was mined.
    pub(super) async fn send(&self, count: usize) -> anyhow::Result<Duration> {
        let mut node = Connection::open(&self.rpc).await?;
        let deals_before = self.deals(&mut node).await?;
        let first = self.mined(&mut node).await?;
        let last = first + u64::try_from(count)?;
        let next = Rc::new(Cell::new(first));
        let (seen, mined) = watch::channel(first);
        let mut connections = Vec::new();
        for _ in 0..UNMINED {
            connections.push(Connection::open(&self.rpc).await?);
        }
        let started = Instant::now();
        let mut senders = JoinSet::new();
        for connection in connections {
            let raw = self.signing();
            senders.spawn_local(send_until(connection, Rc::clone(&next), last, mined.clone(), raw));
        }
        let until = Instant::now() + MINED_WITHIN + Duration::from_secs(u64::try_from(count)?);
        while *mined.borrow() < last {
            while let Some(ended) = senders.try_join_next() {
                ended??;
            }
            if Instant::now() > until {
                bail!("{} of {count} transactions were mined", *mined.borrow() - first);
            }
            tokio::time::sleep(POLL).await;
            let _ = seen.send(self.mined(&mut node).await?);
        }
        let elapsed = started.elapsed();
        self.check(&mut node, deals_before + count).await?;
        Ok(elapsed)
    }

    /// Each transaction has made its deal. Anvil counts a transaction as mined a moment before it shows its logs.
    async fn check(&self, node: &mut Connection, expected: usize) -> anyhow::Result<()> {
        let until = Instant::now() + LOGS_WITHIN;
        loop {
            let deals = self.deals(node).await?;
            if deals == expected {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the transactions were mined, but there are {deals} deals instead of {expected}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Makes the raw transaction of a nonce.
    fn signing(&self) -> impl Fn(u64) -> anyhow::Result<Bytes> + use<> {
        let (signer, chain_id, diamond, token) = (Rc::clone(&self.signer), self.chain_id, self.diamond, self.token);
        move |nonce| {
            let deal = createDealCall {
                dealId: U256::from(nonce + 1),
                r#ref: keccak256(Uuid::now_v7().as_bytes()),
                payee: PAYEE.parse()?,
                token,
                amount: U256::from(1_250_000),
                expiresAt: u64::try_from(chrono::Utc::now().timestamp())? + 21_600,
            };
            let mut transaction = TxEip1559 {
                chain_id,
                nonce,
                gas_limit: GAS,
                max_fee_per_gas: 20_000_000_000,
                max_priority_fee_per_gas: 1_000_000_000,
                to: TxKind::Call(diamond),
                value: U256::ZERO,
                access_list: Default::default(),
                input: deal.abi_encode().into(),
            };
            let signature = signer.sign_transaction_sync(&mut transaction)?;
            Ok(TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into())
        }
    }

    async fn mined(&self, node: &mut Connection) -> anyhow::Result<u64> {
        quantity(&node.call("eth_getTransactionCount", json!([self.signer.address(), "latest"])).await?)
    }

    async fn deals(&self, node: &mut Connection) -> anyhow::Result<usize> {
        let event = keccak256("DealCreated(uint256,bytes32,address,address,uint256,uint64)");
        let filter = json!([{ "address": self.diamond, "topics": [event], "fromBlock": "0x0" }]);
        Ok(node.call("eth_getLogs", filter).await?.as_array().context("logs")?.len())
    }
}

/// Sends one transaction after another, each when the one before it was mined.
async fn send_until(
    mut connection: Connection,
    next: Rc<Cell<u64>>,
    last: u64,
    mut mined: watch::Receiver<u64>,
    raw: impl Fn(u64) -> anyhow::Result<Bytes>,
) -> anyhow::Result<()> {
    while next.get() < last {
        let nonce = next.get();
        next.set(nonce + 1);
        connection.call("eth_sendRawTransaction", json!([raw(nonce)?])).await?;
        mined.wait_for(|mined| *mined > nonce).await?;
    }
    Ok(())
}

fn quantity(value: &Value) -> anyhow::Result<u64> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x")).context("a quantity")?;
    Ok(u64::from_str_radix(digits, 16)?)
}
