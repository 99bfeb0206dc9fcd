//! The token that lets a payer's browser see one payment. It is derived, never stored: a keyed MAC over the payment's
//! id and expiry, so that it can be shown again and dies with the payment.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use entities::PaymentId;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

/// A payment's id and a MAC.
const TOKEN_BYTES: usize = 16 + 32;

/// Derives and checks access tokens under one key.
#[derive(Clone)]
pub struct AccessTokens {
    mac: Hmac<Sha256>,
}

impl AccessTokens {
    /// Uses this secret; changing it ends every token.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn new(secret: &SecretString) -> Self {
        let mac = Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("any key length");
        Self { mac }
    }

    fn mac(&self, id: PaymentId, expires_at: DateTime<Utc>) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(b"payment access v1");
        mac.update(id.0.as_bytes());
        mac.update(&expires_at.timestamp_micros().to_be_bytes());
        mac
    }

    /// The payment's token: URL-safe base64 of its id and the MAC.
    #[must_use]
    pub fn derive(&self, id: PaymentId, expires_at: DateTime<Utc>) -> String {
        let mut bytes = id.0.as_bytes().to_vec();
        bytes.extend(self.mac(id, expires_at).finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether the text could be a token: of any payment, under any key.
    #[must_use]
    pub fn is_well_formed(text: &str) -> bool {
        URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == TOKEN_BYTES)
    }

    /// Whether the token is this payment's and has not expired. Takes the same time for every wrong token.
    #[must_use]
    pub fn verify(&self, token: &str, id: PaymentId, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((claimed, tag)) = bytes.split_at_checked(16) else { return false };
        Uuid::from_slice(claimed).is_ok_and(|claimed| claimed == id.0)
            && now < expires_at
            && self.mac(id, expires_at).verify_slice(tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_token_opens_its_own_payment_until_it_expires() {
        let tokens = AccessTokens::new(&SecretString::from("one"));
        let (id, now) = (PaymentId::new(), entities::now());
        let expires_at = now + TimeDelta::minutes(5);
        let token = tokens.derive(id, expires_at);
        assert!(tokens.verify(&token, id, expires_at, now));
        assert!(AccessTokens::is_well_formed(&token));
        for garbage in ["", "x", "ä", &token[1..], &format!("{token}AAAA"), &format!("{}+", &token[1..])] {
            assert!(!AccessTokens::is_well_formed(garbage), "{garbage}");
        }
        assert!(!tokens.verify(&token, id, expires_at, expires_at), "expired");
        assert!(!tokens.verify(&token, PaymentId::new(), expires_at, now), "another payment's");
        assert!(!tokens.verify(&token, id, expires_at + TimeDelta::minutes(5), now), "another expiry");
        assert!(!AccessTokens::new(&SecretString::from("two")).verify(&token, id, expires_at, now), "another key");
        assert!(!tokens.verify("", id, expires_at, now) && !tokens.verify("ä", id, expires_at, now));
    }
    #[test]
    fn tokens_that_payers_hold_stay_good_over_releases() {
        let tokens = AccessTokens::new(&SecretString::from("one"));
        let id: PaymentId = "019a0000-0000-7000-8000-000000000001".parse().unwrap();
        let expires_at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = "AZoAAAAAcACAAAAAAAAAATbFukmcfmtLHZYT1OSA780xKu485r3rFhRA4WzIo9M4";
        assert_eq!(tokens.derive(id, expires_at), token);
    }
}
