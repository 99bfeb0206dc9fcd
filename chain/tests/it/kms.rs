//! A key in AWS KMS: a stand-in signs on the real curve and answers as the service documents it.

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::{
    primitives::{Address, U256},
    signers::{
        k256::ecdsa::{DerSignature, SigningKey, signature::hazmat::PrehashSigner},
        local::PrivateKeySigner,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chain::{Config, RemoteSigner, Request};
use devchain::BlockTime;
use poem::{
    EndpointExt, IntoResponse, Response, Route, Server,
    http::{HeaderMap, StatusCode},
    listener::{Acceptor, Listener, TcpListener},
    web::Data,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::Backend,
    lanes::appoint,
    node::Node,
    world::{World, count_of, hashes, on_each_database},
};

on_each_database!(deals_are_opened_by_a_key_in_kms, one_that_throttles_or_disables_the_key_is_waited_for);

const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
/// The beginning of the DER of a public key on secp256k1 (RFC 5480), before the point.
const SPKI: [u8; 23] = [
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x0a, 0x03, 0x42, 0x00,
];

#[derive(Clone)]
struct Kms {
    key: SigningKey,
    /// What it refuses everything with, if it does: the status and the type of the error.
    refusal: Arc<Mutex<Option<(u16, &'static str)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[poem::handler]
async fn answer(kms: Data<&Kms>, headers: &HeaderMap, body: String) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let target = text("x-amz-target");
    kms.asked.lock().expect("not poisoned").push(target.clone());
    let refused = |status: u16, kind: &str| {
        let body = json!({ "__type": kind, "message": "as documented" }).to_string();
        let status = StatusCode::from_u16(status).expect("a status");
        body.with_content_type("application/x-amz-json-1.1").with_status(status).into_response()
    };
    if !text("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") {
        return refused(400, "MissingAuthenticationTokenException");
    }
    if let Some((status, kind)) = *kms.refusal.lock().expect("not poisoned") {
        return refused(status, kind);
    }
    let request: Value = serde_json::from_str(&body).expect("JSON");
    if request["KeyId"] != KEY_ID {
        return refused(400, "NotFoundException");
    }
    let answer = match target.as_str() {
        "TrentService.GetPublicKey" => {
            let point = kms.key.verifying_key().to_encoded_point(false);
            let der = [&SPKI[..], point.as_bytes()].concat();
            json!({ "KeyId": KEY_ID, "PublicKey": STANDARD.encode(der), "KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": ["ECDSA_SHA_256"] })
        }
        "TrentService.Sign" => {
            assert_eq!(
                (&request["MessageType"], &request["SigningAlgorithm"]),
                (&json!("DIGEST"), &json!("ECDSA_SHA_256"))
            );
            let digest = STANDARD.decode(request["Message"].as_str().expect("a text")).expect("base64");
            let signature: alloy::signers::k256::ecdsa::Signature = kms.key.sign_prehash(&digest).expect("signs");
            // It may answer either of the two signatures that are right; nodes take the lower one alone.
            let (r, s) = signature.split_scalars();
            let high = alloy::signers::k256::ecdsa::Signature::from_scalars(r, -*s).expect("a signature");
            let der: DerSignature = high.to_der();
            json!({ "KeyId": KEY_ID, "Signature": STANDARD.encode(der.as_bytes()), "SigningAlgorithm": "ECDSA_SHA_256" })
        }
        _ => return refused(400, "UnknownOperationException"),
    };
    answer.to_string().with_content_type("application/x-amz-json-1.1").into_response()
}

impl Kms {
    async fn start(key: SigningKey) -> (Self, String) {
        let kms = Self { key, refusal: Arc::default(), asked: Arc::default() };
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a port");
        let address = acceptor.local_addr()[0].clone();
        let url = format!("http://{}", address.as_socket_addr().expect("a socket"));
        let app = Route::new().at("/", poem::post(answer)).data(kms.clone());
        tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
        (kms, url)
    }

    fn refuse(&self, with: Option<(u16, &'static str)>) {
        *self.refusal.lock().expect("not poisoned") = with;
    }
}

/// The SDK takes its credentials from the environment, which a test cannot change for itself: it is run again with them. `None`:
/// that run has just passed.
async fn with_credentials(backend: Backend, test: &str) -> Option<(World, Kms, Address)> {
    if std::env::var("AWS_ACCESS_KEY_ID").as_deref() != Ok("AKIDEXAMPLE") {
        let module = if matches!(backend, Backend::Sqlite) { "sqlite" } else { "postgres" };
        let mut again = Command::new(std::env::current_exe().expect("this program"));
        again.args(["--exact", &format!("kms::{module}::{test}"), "--nocapture"]);
        again
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "eu-central-1");
        again.env("AWS_EC2_METADATA_DISABLED", "true");
        let output = tokio::task::spawn_blocking(move || again.output()).await.expect("ends").expect("starts");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && printed.contains("1 passed"),
            "{printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return None;
    }
    let mut world = World::new(Node::devchain(BlockTime::Instant).await, backend).await;
    let key = PrivateKeySigner::random();
    let signer = key.address();
    let (kms, url) = Kms::start(key.into_credential()).await;
    world.payer.transfer(signer, U256::from(10).pow(U256::from(18))).await.expect("funds");
    appoint(&world, signer).await;
    let remote = RemoteSigner::AwsKms { address: signer, key_id: KEY_ID.to_owned(), endpoint_url: Some(url) };
    world.config = Config { remote_signers: vec![remote], signer_timeout_ms: 2_000, ..world.config };
    Some((world, kms, signer))
}

async fn opens(world: &World, signer: Address, subjects: &[Uuid]) {
    world.until("they are open", |facts| count_of(facts, "DealOpened", subjects) == subjects.len()).await;
    assert_eq!(world.created(subjects).await, (subjects.len(), subjects.len()));
    let count = world.node.rpc("eth_getTransactionCount", json!([signer, "latest"])).await;
    assert_eq!(count, json!(format!("{:#x}", hashes(&world.facts().await).len())), "nonces are dense");
}

async fn deals_are_opened_by_a_key_in_kms(backend: Backend) {
    let Some((world, kms, signer)) = with_credentials(backend, "deals_are_opened_by_a_key_in_kms").await else {
        return;
    };
    let agent = world.start();
    let subjects: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    for subject in &subjects {
        world.request(&[Request { signer, ..world.open(*subject) }]).await;
        agent.waker.wake();
    }
    opens(&world, signer, &subjects).await;
    let asked = kms.asked.lock().expect("not poisoned").clone();
    let keys = asked.iter().filter(|target| *target == "TrentService.GetPublicKey").count();
    assert_eq!(keys, 1, "the public key is asked for once: {asked:?}");
    agent.stop().await;
}

async fn one_that_throttles_or_disables_the_key_is_waited_for(backend: Backend) {
    let test = "one_that_throttles_or_disables_the_key_is_waited_for";
    let Some((world, kms, signer)) = with_credentials(backend, test).await else { return };
    let reason = async || {
        let lanes = chain::status(&world.database.db).await.expect("answers");
        lanes.into_iter().find(|lane| lane.signer == signer).and_then(|lane| lane.paused_reason)
    };
    let agent = world.start();
    let subject = Uuid::now_v7();
    kms.refuse(Some((400, "ThrottlingException")));
    world.request(&[Request { signer, ..world.open(subject) }]).await;
    agent.waker.wake();
    for (refusal, expected) in
        [((400, "ThrottlingException"), "signer_unreachable"), ((400, "DisabledException"), "signer_refused")]
    {
        kms.refuse(Some(refusal));
        let started = std::time::Instant::now();
        while reason().await.as_deref() != Some(expected) {
            assert!(started.elapsed() < Duration::from_secs(120), "{expected}: {:?}", reason().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 0);
    kms.refuse(None);
    opens(&world, signer, &[subject]).await;
    agent.stop().await;
}
