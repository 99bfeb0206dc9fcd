//! Secrets that we make up: API secrets and refresh tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new secret with the hash that is stored of it.
pub struct NewSecret {
    /// The secret itself, which its owner is shown once.
    pub secret: SecretString,
    /// The hash that is stored of it.
    pub hash: String,
}

impl NewSecret {
    /// A secret of 256 random bits behind a prefix that tells people and scanners what it is.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate(prefix: &str) -> anyhow::Result<Self> {
        let secret = unguessable(prefix)?;
        Ok(Self { hash: hash_secret(&secret), secret: SecretString::from(secret) })
    }
}

/// Text of 256 random bits from the operating system.
pub(crate) fn unguessable(prefix: &str) -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is stored of a secret. Plain SHA-256 and not a slow password hash: nobody can search 256 random bits, so a slow
/// hash would cost us time at every sign-in and an attacker nothing. PINs, which can be searched, are Argon2id.
#[must_use]
pub fn hash_secret(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Compares in constant time, so that the time of an answer reveals nothing of the stored hash.
pub(crate) fn secret_matches(secret: &str, stored_hash: &str) -> bool {
    hash_secret(secret).as_bytes().ct_eq(stored_hash.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn secrets_differ_and_match_their_own_hash_only() {
        let (one, other) = (NewSecret::generate("qs_").unwrap(), NewSecret::generate("qs_").unwrap());
        assert!(secret_matches(one.secret.expose_secret(), &one.hash));
        assert!(!secret_matches(other.secret.expose_secret(), &one.hash));
        assert!(!secret_matches("", &one.hash));
        assert_eq!(one.secret.expose_secret().len(), "qs_".len() + 43);
    }
}
