//! PINs and passwords: Argon2id, off the threads that serve requests.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use secrecy::{ExposeSecret, SecretString};

/// What is stored of a PIN or password.
///
/// # Errors
/// When hashing fails, which it does only for inputs of gigabytes.
pub fn hash_pin(pin: &SecretString) -> anyhow::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(pin.expose_secret().as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| anyhow::anyhow!("PIN cannot be hashed: {error}"))
}

/// Whether the PIN is the stored one. Without a stored hash (no such user) it takes as long and says no, so that the
/// time of an answer does not tell which names exist.
pub(crate) async fn verify_pin(pin: String, stored: Option<String>) -> bool {
    let known = stored.is_some();
    let stored = stored.unwrap_or_else(|| NOBODYS.to_owned());
    let verified = tokio::task::spawn_blocking(move || {
        PasswordHash::new(&stored).is_ok_and(|hash| Argon2::default().verify_password(pin.as_bytes(), &hash).is_ok())
    });
    verified.await.unwrap_or(false) && known
}

/// A well-formed hash with the default costs that no PIN is known for.
pub(crate) const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IHdob2xl$q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_pin_of_a_known_user_is_right() {
        let hash = hash_pin(&SecretString::from("4711")).unwrap();
        assert!(verify_pin("4711".to_owned(), Some(hash.clone())).await);
        assert!(!verify_pin("4712".to_owned(), Some(hash)).await);
        assert!(!verify_pin("4711".to_owned(), None).await);
        assert!(PasswordHash::new(NOBODYS).is_ok(), "an unknown name must cost as much as a known one");
    }
}
