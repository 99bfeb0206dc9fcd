//! The secrets that endpoints' requests are signed with. They are derived, never stored: a keyed MAC over the endpoint's
//! id and the number of its rotations, so that nobody can forge an event with a copy of the database.

use base64::{Engine, engine::general_purpose::STANDARD};
use entities::{EventId, WebhookEndpointId};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::header_values::HeaderKey;

/// The installation's secret of webhooks where none is configured: it follows from another secret that all processes
/// share.
#[must_use]
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub fn derived_secret(from: &SecretString) -> SecretString {
    let mut mac = Hmac::<Sha256>::new_from_slice(from.expose_secret().as_bytes()).expect("any key length");
    mac.update(b"quittance webhooks secret v1");
    hex::encode(mac.finalize().into_bytes()).into()
}

/// Derives endpoints' secrets under one key, and seals the values of their headers under another that follows from it. All processes of an installation need the same.
#[derive(Clone)]
pub struct Secrets {
    mac: Hmac<Sha256>,
    header_key: HeaderKey,
}

impl Secrets {
    /// Uses this secret; changing it changes the secret of every endpoint.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn new(secret: &SecretString) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("any key length");
        let mut of_headers = mac.clone();
        of_headers.update(b"webhook header values v1");
        let header_key = HeaderKey::new(of_headers.finalize().into_bytes().into());
        Self { mac, header_key }
    }

    /// The key, 32 bytes, of the endpoint after so many rotations.
    #[must_use]
    pub fn key(&self, endpoint: WebhookEndpointId, version: i32) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(b"webhook secret v1");
        mac.update(endpoint.0.as_bytes());
        mac.update(&version.to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The key as its owner is shown it, `whsec_` and base64, as Standard Webhooks write secrets.
    #[must_use]
    pub fn shown(&self, endpoint: WebhookEndpointId, version: i32) -> SecretString {
        format!("whsec_{}", STANDARD.encode(self.key(endpoint, version))).into()
    }

    /// What seals the values of endpoints' headers.
    pub(crate) fn header_key(&self) -> &HeaderKey {
        &self.header_key
    }

    /// A signature as Standard Webhooks write it, `v1,` and base64, over the event's id, the time in seconds and the body.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn sign(&self, endpoint: WebhookEndpointId, version: i32, id: EventId, timestamp: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key(endpoint, version)).expect("any key length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// A signature as the checkout contract writes it, in lower-case hexadecimal. Its key is the text of the secret as its
    /// owner was shown it: that contract's clients know no encoding of secrets.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn sign_plainly(&self, endpoint: WebhookEndpointId, version: i32, text: &str) -> String {
        let shown = self.shown(endpoint, version);
        let mut mac = Hmac::<Sha256>::new_from_slice(shown.expose_secret().as_bytes()).expect("any key length");
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// A few digits of the key's hash, by which a process notices that its installation secret is another one.
    #[must_use]
    pub fn check(&self, endpoint: WebhookEndpointId, version: i32) -> String {
        hex::encode(&Sha256::digest(self.key(endpoint, version))[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_of_one_endpoint_one_rotation_and_one_installation() {
        let (here, there) = (Secrets::new(&"here".into()), Secrets::new(&"there".into()));
        let (one, other) = (WebhookEndpointId::new(), WebhookEndpointId::new());
        let all = [here.key(one, 1), here.key(one, 2), here.key(other, 1), there.key(one, 1)];
        for (index, key) in all.iter().enumerate() {
            assert!(!all[..index].contains(key));
        }
        assert_eq!(here.key(one, 1), here.key(one, 1));
        assert_ne!(here.check(one, 1), there.check(one, 1));
        assert!(here.shown(one, 1).expose_secret().starts_with("whsec_"));
    }
}
