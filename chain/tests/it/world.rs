//! Everything a test needs: a node with diamond and token, a database, a keystore, an agent.

use std::{
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
};
use chain::{
    Account, Agent, Config, Deal, DealTerms, Deployment, Edition, Fact, Keystore, Kind, Network, Request, Waker,
};
use sea_orm::{ConnectionTrait, Statement};
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    database::{Backend, TestDatabase},
    ledger::Ledger,
    node::Node,
    relay::Relay,
};

pub(crate) const AMOUNT: u64 = 2_500_000;

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) database: TestDatabase,
    pub(crate) keystore: Keystore,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) network: Network,
    pub(crate) config: Config,
    /// Signs for the diamond, which it owns and operates.
    pub(crate) signer: Address,
    pub(crate) payer: Account,
    pub(crate) diamond: Address,
    pub(crate) edition: Edition,
    pub(crate) token: Address,
    keys: tempfile::TempDir,
}

/// An agent that runs in this process.
pub(crate) struct Running {
    pub(crate) waker: Waker,
    pub(crate) health: tokio::sync::watch::Receiver<chain::AgentHealth>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the agent stops");
    }

    /// Ends it where it stands, as a kill would: what it awaits is dropped, nothing is given up or finished.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn prepare_process() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().init();
    });
}

impl World {
    pub(crate) async fn new(node: Node, backend: Backend) -> Self {
        Self::with(node, backend, Edition::Second).await
    }

    pub(crate) async fn with(node: Node, backend: Backend, edition: Edition) -> Self {
        prepare_process();
        let database = TestDatabase::new(backend).await;
        Ledger::prepare(&database.db).await;
        let keys = tempfile::tempdir().expect("a folder");
        let keystore = Keystore::open(keys.path(), SecretString::from("pass"), 4).expect("a keystore");
        let signer = keystore.generate().await.expect("a key");
        let rich = Account::connect(node.secret_url(), node.rich.clone()).await.expect("the node answers");
        let ether = U256::from(10).pow(U256::from(18));
        rich.transfer(signer, ether * U256::from(100)).await.expect("funds the signer");
        let payer = PrivateKeySigner::random();
        rich.transfer(payer.address(), ether * U256::from(100)).await.expect("funds the payer");
        let key = keystore.signer(signer).await.expect("the key");
        let owner = Account::connect(node.secret_url(), key).await.expect("the node answers");
        // The payer is another installation's operator where a test needs one.
        let deployment = Deployment { owner: signer, operators: vec![signer, payer.address()], delay_s: 0 };
        let diamond = match edition {
            Edition::First => owner.deploy_first_diamond().await,
            Edition::Second => owner.deploy_diamond(&deployment).await,
        };
        let diamond = diamond.expect("a diamond");
        let token = rich.deploy_test_token().await.expect("a token");
        let payer = Account::connect(node.secret_url(), payer).await.expect("the node answers");
        rich.mint(token, payer.address(), U256::from(1_000_000_000_000_u64)).await.expect("tokens");
        let network = Network {
            id: Uuid::now_v7(),
            chain_id: node.chain_id,
            rpc_urls: vec![node.secret_url()],
            confirmations: 1,
        };
        let config = Config {
            poll_interval_ms: 50,
            lease_ms: 2_000,
            rpc_timeout_ms: 2_000,
            reconcile_interval_ms: 600_000,
            ..Config::default()
        };
        let ledger = Arc::new(Ledger::default());
        Self { node, database, keystore, ledger, network, config, signer, payer, diamond, edition, token, keys }
    }

    /// The same folder of keys with another password.
    pub(crate) fn keystore_with(&self, password: &str) -> Keystore {
        Keystore::open(self.keys.path(), SecretString::from(password.to_owned()), 4).expect("a keystore")
    }

    /// Puts a relay between the agent and the node.
    pub(crate) async fn behind_a_relay(&mut self) -> Relay {
        let relay = Relay::new(&self.node.url).await;
        self.network.rpc_urls = vec![SecretString::from(relay.url.clone())];
        relay
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(self.config.clone())
    }

    pub(crate) fn start_with(&self, config: Config) -> Running {
        self.start_on(self.database.db.clone(), config)
    }

    /// As another process would, with its own connections.
    pub(crate) fn start_on(&self, db: queue::Database, config: Config) -> Running {
        let recorder: Arc<dyn chain::Recorder> = Arc::<Ledger>::clone(&self.ledger);
        let agent = Agent::new(db, self.network.clone(), self.keystore.clone(), recorder, config);
        let (waker, health, stop) = (agent.waker(), agent.health(), CancellationToken::new());
        let task = tokio::spawn(agent.run(stop.clone()));
        Running { waker, health, stop, task }
    }

    pub(crate) fn terms(&self) -> DealTerms {
        let expires_at = u64::try_from(chrono::Utc::now().timestamp()).expect("after 1970") + 86_400;
        let (payee, amount) = (Address::repeat_byte(0xbe), U256::from(AMOUNT));
        DealTerms { payee, token: self.token, amount, expires_at }
    }

    pub(crate) fn open(&self, subject_id: Uuid) -> Request {
        Request { terms: Some(self.terms()), ..self.ask(subject_id, Kind::Open) }
    }

    pub(crate) fn ask(&self, subject_id: Uuid, kind: Kind) -> Request {
        Request {
            subject_id,
            kind,
            network_id: self.network.id,
            signer: self.signer,
            diamond: (kind != Kind::Deploy).then_some(self.diamond),
            terms: None,
            owner: None,
        }
    }

    pub(crate) async fn request(&self, requests: &[Request]) {
        let tx = self.database.db.begin().await.expect("begins");
        chain::request(&tx, requests).await.expect("is taken");
        tx.commit().await.expect("commits");
    }

    /// Opens so many deals and waits until they are open.
    pub(crate) async fn opened(&self, agent: &Running, count: usize) -> Vec<Uuid> {
        let subjects: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
        self.request(&subjects.iter().map(|subject| self.open(*subject)).collect::<Vec<_>>()).await;
        agent.waker.wake();
        self.until("all are open", |facts| count_of(facts, "DealOpened", &subjects) == count).await;
        subjects
    }

    /// Registers the signer, without limits.
    pub(crate) async fn register(&self) {
        self.register_on("1", self.signer).await;
    }

    /// Registers a key on a new node with this number.
    pub(crate) async fn register_on(&self, number: &str, signer: Address) {
        let node =
            "INSERT INTO nodes (id, path, number, name, created_at, updated_at) VALUES ($1, $2, $3, 'node', $4, $4)";
        let (id, now) = (Uuid::now_v7(), chrono::Utc::now());
        let count: i64 = number.parse().expect("a number");
        self.write(node, vec![id.into(), number.into(), count.into(), now.into()]).await;
        let row = "INSERT INTO signers (id, node_id, address, name, created_at, updated_at) VALUES ($1, $1, $2, 'hot', $3, $3)";
        self.write(row, vec![id.into(), format!("{signer:#x}").into(), now.into()]).await;
    }

    /// Gives a key to the node of another one.
    pub(crate) async fn move_signer(&self, signer: Address, to: Address) {
        let sql = "UPDATE signers SET node_id = (SELECT other.node_id FROM signers other WHERE other.address = $2) \
                   WHERE address = $1";
        self.write(sql, vec![format!("{signer:#x}").into(), format!("{to:#x}").into()]).await;
    }

    /// Changes the registered signer's policy, `$2` to this value.
    pub(crate) async fn set_policy(&self, change: &str, value: sea_orm::Value) {
        let sql = format!("UPDATE signers SET {change}, revision = revision + 1 WHERE address = $1");
        self.write(&sql, vec![format!("{:#x}", self.signer).into(), value]).await;
    }

    async fn write(&self, sql: &str, values: Vec<sea_orm::Value>) {
        let tx = self.database.db.begin().await.expect("begins");
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        assert_eq!(tx.execute_raw(statement).await.expect("is written").rows_affected(), 1);
        tx.commit().await.expect("commits");
    }

    /// The only row.
    pub(crate) async fn row(&self, sql: &str, values: Vec<sea_orm::Value>) -> sea_orm::QueryResult {
        let db = &*self.database.db;
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        db.query_one_raw(statement).await.expect("answers").expect("a row")
    }

    pub(crate) async fn facts(&self) -> Vec<Fact> {
        self.ledger.facts(&self.database.db).await
    }

    /// The diamond's owner, for acts that are not the agent's.
    pub(crate) async fn owner(&self) -> Account {
        let key = self.keystore.signer(self.signer).await.expect("the key");
        Account::connect(self.node.secret_url(), key).await.expect("the node answers")
    }

    /// How many of the signer's transactions are mined.
    pub(crate) async fn nonce(&self) -> u64 {
        let count = self.node.rpc("eth_getTransactionCount", serde_json::json!([self.signer, "latest"])).await;
        let digits = count.as_str().expect("a number").trim_start_matches("0x").to_owned();
        u64::from_str_radix(&digits, 16).expect("a number")
    }

    pub(crate) async fn lane(&self) -> chain::LaneStatus {
        let lanes = chain::status(&self.database.db).await.expect("answers");
        lanes.into_iter().find(|lane| lane.signer == self.signer).expect("a lane")
    }

    /// Waits until the lane is paused for this reason, or for none.
    pub(crate) async fn until_paused(&self, reason: Option<&str>) {
        let started = Instant::now();
        loop {
            let lane = self.lane().await;
            if lane.paused_reason.as_deref() == reason {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "not within 120 s: {reason:?}; {lane:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn facts_of(&self, subject_id: Uuid) -> Vec<Fact> {
        self.facts().await.into_iter().filter(|fact| fact.subject_id() == subject_id).collect()
    }

    /// Waits until the facts are as expected.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&[Fact]) -> bool) -> Vec<Fact> {
        let started = Instant::now();
        loop {
            let facts = self.facts().await;
            if condition(&facts) {
                return facts;
            }
            let tail: Vec<_> = facts.iter().rev().take(12).collect();
            assert!(started.elapsed() < Duration::from_secs(120), "not within 120 s: {what}; last facts: {tail:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many deals the contract ever created for these subjects, and how many it created at all.
    pub(crate) async fn created(&self, subjects: &[Uuid]) -> (usize, usize) {
        let topic = alloy::primitives::keccak256("DealCreated(uint256,bytes32,address,address,uint256,uint64)");
        let filter = serde_json::json!([{"fromBlock": "0x0", "address": self.diamond, "topics": [topic]}]);
        let logs = self.node.rpc("eth_getLogs", filter).await;
        let logs = logs.as_array().expect("a list");
        let refs: Vec<_> = logs.iter().map(|log| log["topics"][2].as_str().expect("a ref").to_owned()).collect();
        let ours = subjects.iter().map(|subject| format!("{:#x}", chain::reference(*subject)));
        let mut distinct = refs.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), refs.len(), "a ref has two deals");
        (ours.filter(|reference| refs.contains(reference)).count(), refs.len())
    }

    /// Pays a deal that is known to be open.
    pub(crate) async fn deposit(&self, subject_id: Uuid) {
        let deal = self.deal(subject_id).await;
        let chain::DealTerms { token, amount, .. } = deal.terms;
        let paid = match self.edition {
            Edition::First => self.payer.deposit_in_first(self.diamond, token, deal.id, amount).await,
            Edition::Second => self.payer.deposit(self.diamond, &deal).await,
        };
        paid.expect("deposits");
    }

    /// A deal as it was asked for, with the id that the chain has told.
    pub(crate) async fn deal(&self, subject_id: Uuid) -> Deal {
        let sql = "SELECT deal_id, payee, token, amount, expires_at FROM chain_deals WHERE subject_id = $1";
        let backend = self.database.db.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, [subject_id.into()]);
        let row = self.database.db.query_one_raw(statement).await.expect("answers").expect("the deal");
        let text = |column: &str| row.try_get::<String>("", column).expect("text");
        let expires_at = row.try_get::<i64>("", "expires_at").expect("a time");
        let terms = DealTerms {
            payee: text("payee").parse().expect("an address"),
            token: text("token").parse().expect("an address"),
            amount: text("amount").parse().expect("a number"),
            expires_at: expires_at.try_into().expect("after 1970"),
        };
        Deal { id: text("deal_id").parse().expect("a number"), reference: chain::reference(subject_id), terms }
    }
}

/// The variant's name.
pub(crate) fn name(fact: &Fact) -> String {
    let text = format!("{fact:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

pub(crate) fn names(facts: &[Fact]) -> Vec<String> {
    facts.iter().map(name).collect()
}

pub(crate) fn count_of(facts: &[Fact], of: &str, subjects: &[Uuid]) -> usize {
    let subjects: std::collections::HashSet<_> = subjects.iter().collect();
    facts.iter().filter(|fact| name(fact) == of && subjects.contains(&fact.subject_id())).count()
}

/// The distinct transactions that were signed.
pub(crate) fn hashes(facts: &[Fact]) -> Vec<alloy::primitives::B256> {
    let signed = facts.iter().filter_map(|fact| match fact {
        Fact::Signed { hash, .. } => Some(*hash),
        _ => None,
    });
    let mut hashes: Vec<_> = signed.collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// Runs a test on each kind of database.
macro_rules! on_each_database {
    ($($(#[$attribute:meta])* $name:ident),+ $(,)?) => {
        mod sqlite {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::database::Backend::Sqlite).await; })+
        }
        mod postgres {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::database::Backend::Postgres).await; })+
        }
    };
}
pub(crate) use on_each_database;
