//! What the sandbox node needs beside its HTTP routes: invoices that wallets of a test network can read, and callbacks that
//! are signed and sent as phoenixd does it. It moves no money.

use std::time::Duration;

use chrono::{DateTime, Utc};
use k256::ecdsa::SigningKey;
use rand::Rng;
use reqwest::{Client, header};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{SIGNATURE, bolt11::Unsigned};
use crate::PhoenixdConfig;

/// The sandbox node's key. It guards nothing.
const KEY: [u8; 32] = [0x42; 32];

/// Where its API is served, below our own address.
const ROUTES: &str = "/sandbox/lightning";

/// Pauses before a callback is sent again that nobody has taken.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// An invoice of the sandbox node.
#[derive(Clone, Debug)]
pub struct SandboxInvoice {
    /// Lower-case hex.
    pub payment_hash: String,
    /// What the payer gets for paying, lower-case hex.
    pub preimage: String,
    /// As payers read it, for a regtest network.
    pub bolt11: String,
}

/// Makes an invoice. None only if its signature cannot be made, which has never been seen.
#[must_use]
pub fn make_invoice(amount_sat: u64, description: &str, expiry_s: u64, at: DateTime<Utc>) -> Option<SandboxInvoice> {
    let mut random = rand::rng();
    let (preimage, payment_secret): ([u8; 32], [u8; 32]) = (random.random(), random.random());
    let payment_hash: [u8; 32] = Sha256::digest(preimage).into();
    let network = "lnbcrt";
    let unsigned = Unsigned { network, amount_sat, at, payment_hash, payment_secret, description, expiry_s };
    let bolt11 = unsigned.sign(&SigningKey::from_slice(&KEY).ok()?)?;
    Some(SandboxInvoice { payment_hash: hex::encode(payment_hash), preimage: hex::encode(preimage), bolt11 })
}

/// Sends a callback with the sandbox node's signature to us, and again for a while when nobody takes it.
pub async fn call_back(config: &PhoenixdConfig, body: &str) {
    let url = format!("{}/webhook/phoenixd", config.base_url.trim_end_matches(ROUTES));
    let Ok(http) = Client::builder().no_proxy().timeout(Duration::from_millis(config.timeout_ms)).build() else {
        return;
    };
    for pause in [Duration::ZERO].into_iter().chain(AGAIN) {
        tokio::time::sleep(pause).await;
        let request = http
            .post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(SIGNATURE, config.signature(body.as_bytes()))
            .body(body.to_owned());
        if request.send().await.is_ok_and(|response| response.status().is_success()) {
            return;
        }
    }
}

impl PhoenixdConfig {
    /// The sandbox node that is served below this address of ours. Its secrets come of `from`, so that all processes know
    /// them.
    #[must_use]
    pub fn sandbox(ours: &str, from: &SecretString) -> Self {
        let unlocked = Self { webhook_secret: from.clone(), ..Self::default() };
        Self {
            base_url: format!("{}{ROUTES}", ours.trim_end_matches('/')),
            password: unlocked.signature(b"password of the sandbox node").into(),
            webhook_secret: unlocked.signature(b"webhook secret of the sandbox node").into(),
            is_sandbox: true,
            ..Self::default()
        }
    }
}
