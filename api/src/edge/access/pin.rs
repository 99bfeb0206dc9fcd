//! PINs and passwords: Argon2id, off the threads that serve requests and within the memory that hashing may take.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use secrecy::{ExposeSecret, SecretString};

use super::precis;
use crate::{
    edge::EdgeState,
    offload::Work,
    problem::{Code, Problem},
};

/// What is stored of a PIN or password.
///
/// # Errors
/// When hashing fails, which it does only for inputs of gigabytes.
pub fn hash_pin(pin: &SecretString) -> anyhow::Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let pin = precis::password(pin.expose_secret());
    let hash = Argon2::default().hash_password(pin.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| anyhow::anyhow!("PIN cannot be hashed: {error}"))
}

/// The same for a request, in its turn.
pub(crate) async fn hash_in_turn(state: &EdgeState, pin: String) -> Result<String, Problem> {
    let pin = SecretString::from(pin);
    state.offload(Work::Hashing, move || hash_pin(&pin)).await?.map_err(|error| {
        tracing::error!("{error:#}");
        Problem::new(Code::Internal)
    })
}

/// Whether the PIN is the stored one. Without a stored hash (no such user) it takes as long and says no, so that the
/// time of an answer does not reveal which names exist.
pub(crate) async fn verify_pin(state: &EdgeState, pin: String, stored: Option<String>) -> Result<bool, Problem> {
    state.offload(Work::Hashing, move || verify(&pin, stored.as_deref())).await
}

fn verify(pin: &str, stored: Option<&str>) -> bool {
    let opens = |pin: &str| {
        PasswordHash::new(stored.unwrap_or(NOBODYS))
            .is_ok_and(|hash| Argon2::default().verify_password(pin.as_bytes(), &hash).is_ok())
    };
    let usual = precis::password(pin);
    // Hashes from before passwords were normalised are of what was typed.
    let right = opens(&usual) || (usual != pin && opens(pin));
    right && stored.is_some()
}

/// A well-formed hash with the default costs that no PIN is known for.
pub(crate) const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IHdob2xl$q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_pin_of_a_known_user_is_right() {
        let hash = hash_pin(&SecretString::from("4711")).unwrap();
        assert!(verify("4711", Some(&hash)));
        assert!(!verify("4712", Some(&hash)));
        assert!(!verify("4711", None));
        let hash = hash_pin(&SecretString::from("pässword")).unwrap();
        assert!(verify("pa\u{308}ssword", Some(&hash)) && !verify("password", Some(&hash)));
        assert!(PasswordHash::new(NOBODYS).is_ok(), "an unknown name must cost as much as a known one");
    }
}
