//! Signing transactions: with a key of the keystore, or by somebody else who has the key.
//!
//! Whoever signs, what comes back is compared with what was asked for before it is written down: the same transaction, signed by
//! this address and nothing else.

#[cfg(feature = "aws-kms")]
mod aws_kms;
mod json_rpc;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{Address, Signature},
    signers::local::PrivateKeySigner,
};
#[cfg(feature = "aws-kms")]
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::Deserialize;

use self::json_rpc::JsonRpcSigner;
use crate::{
    keystore::{Keystore, KeystoreError},
    signing_error::SigningError,
    transaction::{Draft, Signed},
};

/// Where the key of an address is, if it is not in the keystore. As a text `ADDRESS=URL` of a JSON-RPC server, or
/// `ADDRESS=kms:KEY`, to which `@URL` may be added for another endpoint than the region's.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum RemoteSigner {
    /// A JSON-RPC server that answers `eth_signTransaction`, such as Web3Signer.
    JsonRpc {
        /// Whose key it is.
        address: Address,
        /// Where the server is. It may hold a password.
        url: SecretString,
    },
    /// A key `ECC_SECG_P256K1` for `SIGN_VERIFY` in AWS KMS. Credentials and region are those of the environment, see the SDK.
    AwsKms {
        /// Whose key it is.
        address: Address,
        /// The key's id or ARN.
        key_id: String,
        /// Another endpoint than the region's.
        endpoint_url: Option<String>,
    },
}

impl TryFrom<String> for RemoteSigner {
    type Error = &'static str;

    /// The error does not repeat the text, which may hold a password.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (address, place) = text.split_once('=').ok_or("must be ADDRESS=URL or ADDRESS=kms:KEY")?;
        let address = address.trim().parse().map_err(|_| "must begin with an address, then =")?;
        let place = place.trim();
        if let Some(key) = place.strip_prefix("kms:") {
            let (key_id, endpoint_url) = match key.split_once('@') {
                Some((key_id, url)) => (key_id, Some(url.to_owned())),
                None => (key, None),
            };
            if key_id.is_empty() {
                return Err("must name a key after kms:");
            }
            return Ok(Self::AwsKms { address, key_id: key_id.to_owned(), endpoint_url });
        }
        match reqwest::Url::parse(place) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                Ok(Self::JsonRpc { address, url: place.to_owned().into() })
            }
            _ => Err("must have an http or https URL, or kms:KEY, after the ="),
        }
    }
}

impl RemoteSigner {
    /// Whose key it is.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::JsonRpc { address, .. } | Self::AwsKms { address, .. } => *address,
        }
    }
}

/// Where the keys are. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Signers {
    keystore: Keystore,
    remote: Arc<HashMap<Address, RemoteSigner>>,
    timeout: Duration,
    /// Those that were used before.
    open: Arc<Mutex<HashMap<Address, Signer>>>,
}

/// Signs for one address. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    address: Address,
    key: Key,
}

#[derive(Clone, Debug)]
enum Key {
    Local(PrivateKeySigner),
    JsonRpc(Arc<JsonRpcSigner>),
    #[cfg(feature = "aws-kms")]
    AwsKms(Arc<aws_kms::KmsSigner>),
}

impl Signers {
    /// Remote signers have so long for an answer.
    pub(crate) fn new(keystore: Keystore, remote: &[RemoteSigner], timeout: Duration) -> Self {
        let remote = remote.iter().map(|signer| (signer.address(), signer.clone())).collect();
        Self { keystore, remote: Arc::new(remote), timeout, open: Arc::default() }
    }

    /// Who signs for this address.
    ///
    /// # Errors
    /// When its key is not there or does not open, or the remote signer is not there.
    pub(crate) async fn of(&self, address: Address) -> Result<Signer, SigningError> {
        let Some(remote) = self.remote.get(&address) else {
            return Ok(Signer { address, key: Key::Local(self.keystore.signer(address).await?) });
        };
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&address).cloned();
        if let Some(signer) = known {
            return Ok(signer);
        }
        let key = match remote {
            RemoteSigner::JsonRpc { url, .. } => {
                Key::JsonRpc(Arc::new(JsonRpcSigner::new(address, url, self.timeout)?))
            }
            #[cfg(feature = "aws-kms")]
            RemoteSigner::AwsKms { key_id, endpoint_url, .. } => {
                Key::AwsKms(Arc::new(aws_kms::KmsSigner::new(address, key_id, endpoint_url.as_deref(), self.timeout)))
            }
            #[cfg(not(feature = "aws-kms"))]
            RemoteSigner::AwsKms { .. } => return Err(SigningError::NotBuilt(address)),
        };
        let signer = Signer { address, key };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(address, signer.clone());
        Ok(signer)
    }
}

impl Signer {
    /// Signs a transaction.
    ///
    /// # Errors
    /// [`SigningError`]; nothing was signed that could be sent by us.
    pub(crate) async fn sign(&self, draft: &Draft) -> Result<Signed, SigningError> {
        let address = self.address;
        let envelope = match &self.key {
            Key::Local(key) => return draft.sign(key).map_err(|_| SigningError::Keystore(KeystoreError::Malformed)),
            Key::JsonRpc(signer) => {
                let raw = signer.sign(draft).await?;
                TxEnvelope::decode_2718_exact(&raw)
                    .map_err(|_| SigningError::Wrong { address, reason: "it is no transaction" })?
            }
            #[cfg(feature = "aws-kms")]
            Key::AwsKms(signer) => {
                // Its type is dropped: futures of the SDK are deeper than the compiler follows them.
                let signature: BoxFuture<'_, _> = Box::pin(signer.sign(draft.signature_hash()));
                draft.signed_with(signature.await?)
            }
        };
        verified(&envelope, draft, address)
    }
}

/// The signature covers every field, so that equal hashes are equal transactions.
fn verified(envelope: &TxEnvelope, draft: &Draft, address: Address) -> Result<Signed, SigningError> {
    let wrong = |reason| SigningError::Wrong { address, reason };
    if envelope.signature_hash() != draft.signature_hash() {
        return Err(wrong(differing(envelope, draft)));
    }
    let signature: &Signature = envelope.signature();
    // Nodes take no signature whose s is in the upper half (EIP-2).
    if signature.normalize_s().is_some() {
        return Err(wrong("the signature is not in its canonical form"));
    }
    let signer = signature.recover_address_from_prehash(&draft.signature_hash());
    if signer.ok() != Some(address) {
        return Err(wrong("the signature is another key's"));
    }
    Ok(Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718() })
}

/// Which field is another one, for the log.
fn differing(envelope: &TxEnvelope, draft: &Draft) -> &'static str {
    let fields = [
        (envelope.chain_id() == Some(draft.chain_id), "another chain"),
        (envelope.nonce() == draft.nonce, "another nonce"),
        (envelope.to() == draft.to, "another contract"),
        (envelope.value() == draft.value, "another value"),
        (envelope.input() == &draft.input, "another call"),
        (envelope.gas_limit() == draft.gas_limit, "another gas limit"),
        (envelope.max_fee_per_gas() == draft.fees.max_fee, "another fee"),
    ];
    fields.into_iter().find(|(same, _)| !same).map_or("another kind of transaction", |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_remote_signer_is_read_from_a_text_and_a_wrong_one_is_not_repeated() {
        let address = Address::repeat_byte(7);
        let read = |place: &str| RemoteSigner::try_from(format!("{address} = {place}"));
        let Ok(RemoteSigner::JsonRpc { address: of, url }) = read("http://user:pass@127.0.0.1:9000/v1") else {
            panic!("no JSON-RPC signer")
        };
        assert_eq!((of, url.expose_secret()), (address, "http://user:pass@127.0.0.1:9000/v1"));
        let key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
        let Ok(RemoteSigner::AwsKms { key_id, endpoint_url: None, .. }) = read(&format!("kms:{key}")) else {
            panic!("no key in KMS")
        };
        assert_eq!(key_id, key);
        let with_endpoint = read("kms:1234@http://127.0.0.1:4566");
        assert!(
            matches!(with_endpoint, Ok(RemoteSigner::AwsKms { endpoint_url: Some(url), .. }) if url.ends_with("4566"))
        );
        for wrong in ["", "kms:", "ftp://secret", "secret"] {
            assert!(read(wrong).is_err_and(|error| !error.contains("secret")), "{wrong}");
        }
        assert!(RemoteSigner::try_from("0x1=http://a".to_owned()).is_err());
    }
}
