//! Secrets that nobody configured: made once, kept in a file that only the owner reads.

use std::{fs, path::Path};

use anyhow::Context;
use rand::{TryRngCore, rngs::OsRng};
use secrecy::SecretString;
use serde::Deserialize;

use crate::files;

#[derive(Deserialize)]
pub(crate) struct Secrets {
    pub(crate) jwt_secret: SecretString,
    pub(crate) access_token_secret: SecretString,
    pub(crate) keystore_password: SecretString,
}

/// Reads the secrets of the data folder. Of several processes that find none, one makes them for all.
pub(crate) fn load_or_create(folder: &Path) -> anyhow::Result<Secrets> {
    let file = folder.join("secrets.json");
    if !file.exists() {
        let fresh = serde_json::json!({
            "jwt_secret": random_text()?,
            "access_token_secret": random_text()?,
            "keystore_password": random_text()?,
        });
        files::write_once(&file, &serde_json::to_vec_pretty(&fresh)?)?;
    }
    let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// 256 random bits as hexadecimal digits.
pub(crate) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes).context("the system gives no random numbers")?;
    Ok(alloy::hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use secrecy::ExposeSecret;

    use super::*;

    /// Threads have one process number, as the first processes of containers on one volume have.
    #[test]
    fn first_starts_side_by_side_agree_on_their_secrets() {
        for _ in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let start = Barrier::new(8);
            let keys: Vec<String> = std::thread::scope(|scope| {
                let begin = || {
                    start.wait();
                    load_or_create(folder.path()).unwrap().jwt_secret.expose_secret().to_owned()
                };
                let started: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
                started.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]), "all have the same");
            let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
            assert_eq!(left, ["secrets.json"], "no draft is left behind");
        }
    }
}
