//! Addresses of ours that gateways send browsers to. They are signed, so that nobody can make us look at payments by
//! guessing; what they say is not believed in any case.

use entities::PaymentId;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Makes and checks addresses under one key.
#[derive(Clone)]
pub struct CheckoutLinks {
    base_url: String,
    mac: Hmac<Sha256>,
}

/// What an address says that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The payer has agreed.
    Capture,
    /// The payer has turned away.
    Decline,
}

impl Return {
    const fn word(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Decline => "decline",
        }
    }
}

impl CheckoutLinks {
    /// For an API that browsers reach here; the key is derived from this secret.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn new(base_url: &str, secret: &SecretString) -> Self {
        let mac = Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("any key length");
        Self { base_url: base_url.trim_end_matches('/').to_owned(), mac }
    }

    /// How browsers reach us, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The page where the payer chooses a gateway.
    #[must_use]
    pub fn page(&self, id: PaymentId) -> String {
        format!("{}/checkout/{id}", self.base_url)
    }

    /// Where a gateway's page sends the browser.
    #[must_use]
    pub fn back(&self, id: PaymentId, what: Return) -> String {
        let (word, signature) = (what.word(), self.signature(what.word(), id));
        format!("{}/v1/payments/{id}/{word}?sig={signature}", self.base_url)
    }

    /// Whether the signature is of this payment's address. Takes the same time for every wrong one.
    #[must_use]
    pub fn verify(&self, id: PaymentId, what: Return, signature: &str) -> bool {
        self.verify_word(what.word(), id, signature)
    }

    /// A signature of something else about a payment, such as a form of its page.
    #[must_use]
    pub fn signature(&self, word: &str, id: PaymentId) -> String {
        hex::encode(self.mac(word, id).finalize().into_bytes())
    }

    /// Whether it is [`Self::signature`]. Takes the same time for every wrong one.
    #[must_use]
    pub fn verify_word(&self, word: &str, id: PaymentId, signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|tag| self.mac(word, id).verify_slice(&tag).is_ok())
    }

    fn mac(&self, word: &str, id: PaymentId) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(b"checkout v1 ");
        mac.update(word.as_bytes());
        mac.update(id.0.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_payments_and_says_one_thing() {
        let links = CheckoutLinks::new("https://pay.example/", &SecretString::from("one"));
        let id = PaymentId::new();
        let address = links.back(id, Return::Capture);
        let (path, signature) = address.split_once("?sig=").unwrap();
        assert_eq!(path, format!("https://pay.example/v1/payments/{id}/capture"));
        assert!(links.verify(id, Return::Capture, signature));
        assert!(!links.verify(id, Return::Decline, signature), "another word");
        assert!(!links.verify(PaymentId::new(), Return::Capture, signature), "another payment's");
        assert!(!CheckoutLinks::new("", &SecretString::from("two")).verify(id, Return::Capture, signature));
        assert!(!links.verify(id, Return::Capture, "") && !links.verify(id, Return::Capture, "ä"));
    }
    #[test]
    fn addresses_that_gateways_hold_stay_good_over_releases() {
        let links = CheckoutLinks::new("https://pay.example", &SecretString::from("one"));
        let id: PaymentId = "019a0000-0000-7000-8000-000000000001".parse().unwrap();
        let signature = "fc1cc674d050c2d9dd151d1b9c03f780fe463283f4ae8c2f11f31b43a82396f8";
        assert_eq!(links.signature("capture", id), signature);
        assert!(links.verify(id, Return::Capture, signature));
    }
}
