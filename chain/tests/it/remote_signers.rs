//! Keys that somebody else has: a JSON-RPC signer, which may be away, late, wrong, or answer twice.

use std::time::Duration;

use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
};
use chain::{Config, RemoteSigner, Request};
use devchain::BlockTime;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::Backend,
    lanes::appoint,
    node::Node,
    relay::{Relay, Turn},
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(
    deals_are_opened_by_a_key_that_is_not_here,
    one_that_is_away_is_waited_for,
    one_that_answers_late_or_not_at_all_holds_nothing_up_for_good,
    what_is_not_what_was_asked_for_is_never_sent,
    one_that_is_asked_twice_makes_one_deal,
);

/// A chain, and an Anvil that is only asked for signatures, behind a relay.
struct Remote {
    world: World,
    signer: Address,
    relay: Relay,
    _server: Node,
}

impl Remote {
    async fn new(backend: Backend) -> Self {
        let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
        let server = Node::anvil(&["--chain-id", "31337"]);
        let signer = server.rich.address();
        let relay = Relay::new(&server.url).await;
        let ether = U256::from(10).pow(U256::from(18));
        world.payer.transfer(signer, ether).await.expect("funds");
        appoint(&world, signer).await;
        let url = SecretString::from(relay.url.clone());
        let remote_signers = vec![RemoteSigner::JsonRpc { address: signer, url }];
        world.config = Config { remote_signers, signer_timeout_ms: 500, ..world.config };
        Self { world, signer, relay, _server: server }
    }

    fn open(&self, subject: Uuid) -> Request {
        Request { signer: self.signer, ..self.world.open(subject) }
    }

    async fn paused_reason(&self) -> Option<String> {
        let lanes = chain::status(&self.world.database.db).await.expect("answers");
        lanes.into_iter().find(|lane| lane.signer == self.signer)?.paused_reason
    }

    async fn until_paused(&self, reason: Option<&str>) {
        for _ in 0..1_000 {
            if self.paused_reason().await.as_deref() == reason {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not paused for {reason:?} but for {:?}", self.paused_reason().await);
    }

    /// Asks for deals and waits until they are open; each has exactly one.
    async fn opens(&self, subjects: &[Uuid]) {
        self.world.until("they are open", |facts| count_of(facts, "DealOpened", subjects) == subjects.len()).await;
        let (ours, all) = self.world.created(subjects).await;
        assert_eq!((ours, all), (subjects.len(), subjects.len()), "lost 0, doubled 0");
        assert_eq!(count_of(&self.world.facts().await, "Failed", subjects), 0);
    }

    /// The nonces that are used are those of the transactions that were signed and recorded.
    async fn nonces_are_dense(&self) {
        let count = self.world.node.rpc("eth_getTransactionCount", json!([self.signer, "latest"])).await;
        let signed = hashes(&self.world.facts().await).len();
        assert_eq!(count, json!(format!("{signed:#x}")));
    }
}

async fn deals_are_opened_by_a_key_that_is_not_here(backend: Backend) {
    let remote = Remote::new(backend).await;
    let agent = remote.world.start();
    let subjects: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
    remote.world.request(&subjects.iter().map(|subject| remote.open(*subject)).collect::<Vec<_>>()).await;
    agent.waker.wake();
    remote.opens(&subjects).await;
    remote.nonces_are_dense().await;
    assert!(!remote.relay.seen("eth_signTransaction").is_empty());
    agent.stop().await;
}

async fn one_that_is_away_is_waited_for(backend: Backend) {
    let remote = Remote::new(backend).await;
    remote.relay.hook(|_, _| Turn::Status(503));
    let agent = remote.world.start();
    let subject = Uuid::now_v7();
    remote.world.request(&[remote.open(subject)]).await;
    agent.waker.wake();
    remote.until_paused(Some("signer_unreachable")).await;
    remote.relay.hook(|_, _| Turn::Error(-32_000, "denied by the operator"));
    remote.until_paused(Some("signer_refused")).await;
    assert_eq!(count_of(&remote.world.facts().await, "Signed", &[subject]), 0);
    remote.relay.hook(|_, _| Turn::Pass);
    remote.opens(&[subject]).await;
    remote.nonces_are_dense().await;
    remote.until_paused(None).await;
    agent.stop().await;
}

async fn one_that_answers_late_or_not_at_all_holds_nothing_up_for_good(backend: Backend) {
    let remote = Remote::new(backend).await;
    let mut turns = vec![Turn::Pass, Turn::Late(Duration::from_millis(900)), Turn::PassThenHang, Turn::Hang];
    remote.relay.hook(move |_, _| turns.pop().unwrap_or(Turn::Pass));
    let agent = remote.world.start();
    let subjects: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    for subject in &subjects {
        remote.world.request(&[remote.open(*subject)]).await;
        agent.waker.wake();
    }
    remote.opens(&subjects).await;
    remote.nonces_are_dense().await;
    // Those that were never heard of again were not sent by anybody.
    let asked = remote.relay.seen("eth_signTransaction").len();
    assert!(asked > hashes(&remote.world.facts().await).len(), "{asked}");
    agent.stop().await;
}

/// What a signer makes of a request.
type Misbehaviour = Box<dyn Fn(&Value) -> Turn + Send>;

/// Signs the request with a key of its own.
fn signed_by_another(answer: &mut Value) {
    use alloy::{
        consensus::{SignableTransaction, TxEnvelope, TypedTransaction},
        eips::eip2718::{Decodable2718, Encodable2718},
        signers::SignerSync,
    };

    let raw = alloy::hex::decode(answer.as_str().expect("bytes")).expect("hex");
    let unsigned = TypedTransaction::from(TxEnvelope::decode_2718_exact(&raw).expect("a transaction"));
    let signature = PrivateKeySigner::random().sign_hash_sync(&unsigned.signature_hash()).expect("signs");
    *answer = json!(alloy::hex::encode_prefixed(unsigned.into_envelope(signature).encoded_2718()));
}

async fn what_is_not_what_was_asked_for_is_never_sent(backend: Backend) {
    let remote = Remote::new(backend).await;
    let agent = remote.world.start();
    let subject = Uuid::now_v7();
    let elsewhere = |request: &Value| {
        let mut request = request.clone();
        request[0]["to"] = json!(Address::repeat_byte(0xee));
        request
    };
    let dearer = |request: &Value| {
        let mut request = request.clone();
        request[0]["nonce"] = json!("0x63");
        request
    };
    remote.relay.hook(move |_, request| Turn::Instead(elsewhere(request), |_| {}));
    remote.world.request(&[remote.open(subject)]).await;
    agent.waker.wake();
    remote.until_paused(Some("signer_refused")).await;
    let wrong: [Misbehaviour; 3] = [
        Box::new(move |request| Turn::Instead(dearer(request), |_| {})),
        Box::new(|_| Turn::Change(signed_by_another)),
        Box::new(|_| Turn::Result(json!({ "raw": "0x02c0" }))),
    ];
    for turn in wrong {
        let before = remote.relay.seen("eth_signTransaction").len();
        remote.relay.hook(move |_, request| turn(request));
        while remote.relay.seen("eth_signTransaction").len() < before + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(count_of(&remote.world.facts().await, "Signed", &[subject]), 0);
        assert_eq!(remote.paused_reason().await.as_deref(), Some("signer_refused"));
    }
    remote.relay.hook(|_, _| Turn::Pass);
    remote.opens(&[subject]).await;
    remote.nonces_are_dense().await;
    agent.stop().await;
}

async fn one_that_is_asked_twice_makes_one_deal(backend: Backend) {
    let remote = Remote::new(backend).await;
    // It signs, and this process ends before the answer is there: the next one asks again.
    remote.relay.hook(|_, _| Turn::PassThenHang);
    let agent = remote.world.start();
    let subject = Uuid::now_v7();
    remote.world.request(&[remote.open(subject)]).await;
    agent.waker.wake();
    while remote.relay.seen("eth_signTransaction").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    agent.kill().await;
    assert_eq!(count_of(&remote.world.facts().await, "Signed", &[subject]), 0);
    remote.relay.hook(|_, _| Turn::Pass);
    let agent = remote.world.start();
    remote.opens(&[subject]).await;
    assert!(remote.relay.seen("eth_signTransaction").len() >= 2);
    remote.nonces_are_dense().await;
    agent.stop().await;
}
