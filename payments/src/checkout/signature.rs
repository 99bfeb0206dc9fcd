//! Signatures of addresses and forms of the checkout's pages: a keyed MAC over the payment's id and what it is for, so
//! that nothing has to be stored, and a signature for one thing is none for another.

use entities::PaymentId;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a signature lets its holder ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Coming back from a gateway, agreed or not.
    Return,
    /// Sending the page's forms.
    Form,
}

impl Purpose {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Return => b"checkout return v1",
            Self::Form => b"checkout form v1",
        }
    }
}

/// Derives and checks signatures under one key.
#[derive(Clone)]
pub struct Signatures {
    mac: Hmac<Sha256>,
}

impl Signatures {
    /// Uses this secret; changing it ends every signature.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn new(secret: &SecretString) -> Self {
        let mac = Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("any key length");
        Self { mac }
    }

    fn mac(&self, purpose: Purpose, id: PaymentId) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(purpose.word());
        mac.update(id.0.as_bytes());
        mac
    }

    /// The signature, lower-case hexadecimal.
    #[must_use]
    pub fn derive(&self, purpose: Purpose, id: PaymentId) -> String {
        hex::encode(self.mac(purpose, id).finalize().into_bytes())
    }

    /// Whether it is this payment's for this purpose. Takes the same time for every wrong one.
    #[must_use]
    pub fn verify(&self, signature: &str, purpose: Purpose, id: PaymentId) -> bool {
        hex::decode(signature).is_ok_and(|tag| self.mac(purpose, id).verify_slice(&tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_payment_one_purpose_and_one_installation() {
        let (ours, theirs) = (Signatures::new(&"one".into()), Signatures::new(&"two".into()));
        let id = PaymentId::new();
        let signature = ours.derive(Purpose::Form, id);
        assert!(ours.verify(&signature, Purpose::Form, id));
        assert!(!ours.verify(&signature, Purpose::Return, id), "for something else");
        assert!(!ours.verify(&signature, Purpose::Form, PaymentId::new()), "another payment's");
        assert!(!theirs.verify(&signature, Purpose::Form, id), "another key");
        assert!(!ours.verify("", Purpose::Form, id) && !ours.verify("ä", Purpose::Form, id));
    }
}
