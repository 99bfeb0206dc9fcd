//! Secrets that nobody configured: made once, kept in a file that only the owner reads.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use rand::{TryRngCore, rngs::OsRng};
use secrecy::SecretString;
use serde::Deserialize;

/// What the file holds.
#[derive(Deserialize)]
pub(crate) struct Secrets {
    pub(crate) jwt_secret: SecretString,
    pub(crate) access_token_secret: SecretString,
    pub(crate) keystore_password: SecretString,
}

/// The folder, made if need be for its owner alone, as an absolute path.
pub(crate) fn private_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    folder.canonicalize().with_context(|| format!("the data folder {} cannot be used", folder.display()))
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
        let draft = folder.join(format!("secrets.{}.draft", std::process::id()));
        write_private(&draft, &serde_json::to_vec_pretty(&fresh)?)?;
        // A link, unlike a rename, never replaces what another process has just made.
        let linked = fs::hard_link(&draft, &file);
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error).context("secrets.json"),
            _ => {}
        }
    }
    let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = file.with_extension("writing");
    let mut options = fs::OpenOptions::new();
    let mut writer = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writer.write_all(bytes)?;
    writer.sync_all()?;
    fs::rename(&draft, file).with_context(|| format!("{} cannot be written", file.display()))
}

/// 256 random bits as hexadecimal digits.
pub(crate) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes).context("the system gives no random numbers")?;
    Ok(alloy::hex::encode(bytes))
}
