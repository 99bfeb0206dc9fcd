//! The prefunded accounts: keys derived from a seed that is random per data folder.

use std::{fmt, fs, io::Write, path::Path};

use alloy::{
    primitives::{Address, B256, keccak256},
    signers::local::PrivateKeySigner,
};
use anyhow::Context;

/// An account that the chain has given ether at its start.
#[derive(Clone)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its private key. Worth nothing outside this chain, and yet never fixed: a known key invites reuse.
    pub private_key: B256,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The accounts that follow from a seed. A hash that is no valid key (one in 2^128) is passed over.
pub(crate) fn derive(seed: B256, count: u8) -> Vec<Account> {
    (0u64..)
        .map(|index| keccak256([seed.as_slice(), &index.to_be_bytes()].concat()))
        .filter_map(|key| {
            let signer = PrivateKeySigner::from_bytes(&key).ok()?;
            Some(Account { address: signer.address(), private_key: key })
        })
        .take(usize::from(count))
        .collect()
}

/// The seed of a data folder, written on first use, readable by its owner only.
pub(crate) fn seed(data_dir: &Path, wanted: Option<B256>) -> anyhow::Result<B256> {
    let path = data_dir.join("seed");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().with_context(|| format!("{} holds no seed", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let seed = wanted.unwrap_or_else(random);
            write_private(&path, &format!("{seed}\n")).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(seed)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A fresh seed.
pub(crate) fn random() -> B256 {
    B256::from(rand::random::<[u8; 32]>())
}

/// Writes beside the path first, so that a kill never leaves half a seed behind.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}
