//! A merchant over the public API, and a payer over JSON-RPC.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use alloy::{
    network::EthereumWallet,
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{Filter, TransactionRequest},
    signers::local::PrivateKeySigner,
    sol,
    sol_types::{SolCall, SolEvent},
    transports::TransportResult,
};
use serde_json::{Value, json};

use crate::{World, vigil::Vigil};

sol! {
    function deposit(
        uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
    ) external payable;
    function approve(address spender, uint256 value) external returns (bool);
    #[derive(Debug)]
    struct DealStatus {
        uint256 dealId;
        bytes25 commitment;
        uint8 state;
        address payer;
    }
    function statusesOf(bytes32[] refs) external view returns (DealStatus[] statuses);
    event DealCreated(uint256 indexed dealId, bytes32 indexed ref, address payee, address token, uint256 amount, uint64 expiresAt);
}

pub(crate) fn http() -> reqwest::Client {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

/// An answer to a request for a payment.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) media_type: String,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Attempt {
    /// Whether it says in due form that we are away for now.
    pub(crate) fn says_unavailable(&self) -> bool {
        self.status == 503
            && self.retry_after.as_ref().is_some_and(|seconds| seconds.parse::<u32>().is_ok())
            && self.media_type == "application/problem+json"
            && self.body["code"] == "unavailable"
            && self.body["retryable"] == true
    }
}

#[derive(Clone)]
pub(crate) struct Merchant {
    http: reqwest::Client,
    pub(crate) base_url: String,
    token: String,
    bootstrap: Value,
    vigil: Vigil,
}

impl Merchant {
    pub(crate) async fn of(world: &World) -> Self {
        let (http, base_url) = (http(), world.base_url.clone());
        let integration = &world.bootstrap["integration"];
        let credentials = json!({ "api_key": integration["api_key"], "secret_key": integration["secret_key"] });
        let answer = http.post(format!("{base_url}/api/v1/auth/authenticate")).json(&credentials).send().await.unwrap();
        let tokens: Value = answer.json().await.unwrap();
        world.vigil.keep_all(&tokens);
        let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned();
        Self { http, base_url, token, bootstrap: world.bootstrap.clone(), vigil: world.vigil.clone() }
    }

    pub(crate) fn body(&self, external_id: &str) -> Value {
        json!({
            "external_id": external_id,
            "node_id": self.bootstrap["node_id"],
            "network_id": self.bootstrap["network_id"],
            "currency_id": self.bootstrap["currencies"]["USDT"],
            "price": 1.25,
            "paid_price": 1.25,
            "payment_method": "web3",
            "payment_group": "product",
            "payment_address": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
            "expires_at": chrono::Utc::now() + chrono::TimeDelta::hours(1),
        })
    }

    pub(crate) async fn try_create(&self, external_id: &str) -> reqwest::Result<(u16, Value)> {
        self.try_create_body(&self.body(external_id)).await
    }

    async fn try_create_body(&self, body: &Value) -> reqwest::Result<(u16, Value)> {
        self.try_post("/api/v1/payments", body, None).await
    }

    /// Posts once; an error is an answer that did not arrive.
    pub(crate) async fn try_post(&self, path: &str, body: &Value, key: Option<&str>) -> reqwest::Result<(u16, Value)> {
        let mut request = self.http.post(format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.json(body).send().await?;
        let (status, answer): (u16, Value) = (answer.status().as_u16(), answer.json().await?);
        self.vigil.keep_all(&answer);
        Ok((status, answer))
    }

    /// Puts once.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.put(format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        let answer = request.json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Asks for a payment and tells everything about the answer.
    pub(crate) async fn attempt(&self, external_id: &str) -> Attempt {
        let started = Instant::now();
        let request = self.http.post(format!("{}/api/v1/payments", self.base_url)).bearer_auth(&self.token);
        let answer = request.json(&self.body(external_id)).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (retry_after, media_type) = (header("retry-after"), header("content-type").unwrap_or_default());
        let (status, body) = (answer.status().as_u16(), answer.json().await.unwrap());
        Attempt { status, retry_after, media_type, body, took: started.elapsed() }
    }

    pub(crate) async fn create(&self, body: &Value) -> Value {
        let (status, payment) = self.try_create_body(body).await.unwrap();
        assert_eq!(status, 201, "{payment}");
        payment
    }

    /// Creates payments, fifty at a time, and returns their ids.
    pub(crate) async fn create_many(&self, name: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::with_capacity(count);
        for chunk in (0..count).collect::<Vec<_>>().chunks(50) {
            let requests = chunk.iter().map(|number| {
                let external_id = format!("{name}-{number}");
                async move { self.try_create(&external_id).await.unwrap() }
            });
            for (status, payment) in futures_util::future::join_all(requests).await {
                assert_eq!(status, 201, "{payment}");
                ids.push(payment["id"].as_str().unwrap().to_owned());
            }
        }
        ids
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Deletes once and tells the status.
    pub(crate) async fn delete(&self, path: &str) -> u16 {
        let request = self.http.delete(format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        let answer = request.json(&json!({})).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// All payments of the node by id.
    pub(crate) async fn all(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for page in 1.. {
            let node = self.bootstrap["node_id"].as_str().unwrap();
            let list = self.get(&format!("/api/v1/payments?node_id={node}&per_page=100&page={page}")).await;
            let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
            all.extend(items.iter().map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone())));
            if items.len() < 100 {
                return all;
            }
        }
        all
    }

    /// Waits until each of these payments has the status.
    pub(crate) async fn reach(&self, world: &World, ids: &[String], status: &str) {
        let until = Instant::now() + Duration::from_secs(180);
        loop {
            let all = self.all().await;
            let behind: Vec<_> = ids.iter().filter(|id| all[*id]["status"] != status).collect();
            if behind.is_empty() {
                return;
            }
            assert!(
                Instant::now() < until,
                "{} of {} are not {status}, one of them {}\n{}",
                behind.len(),
                ids.len(),
                all[behind[0]],
                world.logs()
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// The numbered events of a payment, oldest first, checked to be without gaps.
    pub(crate) async fn transitions(&self, id: &str) -> Vec<String> {
        let page = self.get(&format!("/api/v1/payments/{id}/logs?per_page=100")).await;
        let rows = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
        assert_eq!(page["total"].as_u64().unwrap(), rows.len() as u64, "one page holds the whole life");
        let events = rows.iter().rev().map(|row| row["event_type"].as_str().unwrap().to_owned());
        events.filter(|event| event.starts_with("payment.")).collect()
    }
}

/// The payer of the playground.
pub(crate) struct Payer {
    provider: DynProvider,
    address: Address,
    diamond: Address,
    token: Address,
}

impl Payer {
    pub(crate) fn of(world: &World) -> Self {
        let playground = world.playground();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let signer: PrivateKeySigner = text(&playground["payer"]["private_key"]).parse().unwrap();
        let address = signer.address();
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .with_chain_id(playground["chain_id"].as_u64().unwrap())
            .wallet(EthereumWallet::from(signer))
            .connect_http(text(&playground["rpc_url"]).parse().unwrap())
            .erased();
        let diamond = text(&playground["diamond_address"]).parse().unwrap();
        let token = text(&playground["tokens"]["USDT"]).parse().unwrap();
        Self { provider, address, diamond, token }
    }

    /// Deposits into all the deals, one transaction after another without waiting in between.
    pub(crate) async fn deposit(&self, payments: &[&Value]) {
        let deals: Vec<_> = payments.iter().map(|payment| self.terms(payment)).collect();
        self.try_deposit(&deals).await.unwrap();
    }

    /// The same where the node may go away in the middle of it.
    pub(crate) async fn try_deposit(&self, deals: &[depositCall]) -> TransportResult<()> {
        let mut nonce = self.provider.get_transaction_count(self.address).pending().await?;
        let approve = approveCall { spender: self.diamond, value: U256::MAX }.abi_encode();
        self.send(self.token, approve, nonce).await?;
        for deal in deals {
            nonce += 1;
            self.send(self.diamond, deal.abi_encode(), nonce).await?;
        }
        Ok(())
    }

    /// What pays the deal of an open payment in the playground's token of six decimals.
    pub(crate) fn terms(&self, payment: &Value) -> depositCall {
        let text = |name: &str| payment[name].as_str().unwrap();
        let expires_at: chrono::DateTime<chrono::Utc> = text("expires_at").parse().unwrap();
        depositCall {
            dealId: U256::from(payment["deal_id"].as_u64().unwrap()),
            r#ref: keccak256(text("id").parse::<uuid::Uuid>().unwrap().as_bytes()),
            payee: text("payment_address").parse().unwrap(),
            token: self.token,
            amount: payments::money::base_units(text("paid_price_text").parse().unwrap(), 6).unwrap().parse().unwrap(),
            expiresAt: expires_at.timestamp().try_into().unwrap(),
        }
    }

    /// The same of a stored one; none while its deal is not known.
    pub(crate) fn terms_of(&self, payment: &entities::payment::Model) -> Option<depositCall> {
        Some(depositCall {
            dealId: payment.deal_id.as_ref()?.parse().ok()?,
            r#ref: keccak256(payment.id.0.as_bytes()),
            payee: payment.payment_address.parse().ok()?,
            token: self.token,
            amount: payments::money::base_units(payment.paid_price.0, 6).ok()?.parse().ok()?,
            expiresAt: payment.expires_at.timestamp().try_into().ok()?,
        })
    }

    async fn send(&self, to: Address, input: Vec<u8>, nonce: u64) -> TransportResult<()> {
        let mut transaction = TransactionRequest::default().from(self.address).to(to).nonce(nonce).gas_limit(300_000);
        transaction.max_fee_per_gas = Some(20_000_000_000);
        transaction.max_priority_fee_per_gas = Some(1_000_000_000);
        transaction.input.input = Some(Bytes::from(input));
        self.provider.send_transaction(transaction).await.map(drop)
    }

    /// The states of the deals with these references, as the contract numbers them: 0 none, 1 open, 2 deposited,
    /// 3 released, 4 canceled.
    pub(crate) async fn deal_states(&self, references: &[B256]) -> TransportResult<Vec<u8>> {
        let mut states = Vec::with_capacity(references.len());
        for refs in references.chunks(200) {
            let call = statusesOfCall { refs: refs.to_vec() }.abi_encode();
            let mut request = TransactionRequest::default().to(self.diamond);
            request.input.input = Some(Bytes::from(call));
            let answer = self.provider.call(request).await?;
            states.extend(statusesOfCall::abi_decode_returns(&answer).unwrap().iter().map(|deal| deal.state));
        }
        Ok(states)
    }

    /// How many transactions of an account are mined.
    pub(crate) async fn transactions_of(&self, account: Address) -> u64 {
        self.provider.get_transaction_count(account).await.unwrap()
    }

    /// Replaces the newest blocks; whose transactions were in them has to send them again.
    pub(crate) async fn reorganise(&self, depth: u64) {
        let transactions: [Value; 0] = [];
        let _: Value = self.provider.raw_request("anvil_reorg".into(), (depth, transactions)).await.unwrap();
    }

    /// The references of all deals of the diamond, as often as they were created.
    pub(crate) async fn references(&self) -> Vec<B256> {
        let filter = Filter::new().address(self.diamond).event_signature(DealCreated::SIGNATURE_HASH).from_block(0);
        let logs = self.provider.get_logs(&filter).await.unwrap();
        logs.iter().map(|log| log.topics()[2]).collect()
    }
}

/// Whether the deals of these payments exist, each once, and no others.
pub(crate) async fn assert_one_deal_each(payer: &Payer, ids: impl IntoIterator<Item = &String>) {
    let references = payer.references().await;
    let wanted: HashSet<B256> =
        ids.into_iter().map(|id| keccak256(id.parse::<uuid::Uuid>().unwrap().as_bytes())).collect();
    assert_eq!(references.len(), wanted.len(), "deals on chain and payments");
    assert_eq!(references.into_iter().collect::<HashSet<_>>(), wanted, "each reference once");
}
