//! Signing keys in encrypted V3 files (scrypt), one `<address>.json` each, as geth, cast and wallets read them.

use std::{
    collections::HashMap,
    fmt,
    fs::DirBuilder,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aes::Aes128;
use alloy::{
    hex,
    primitives::{Address, keccak256},
    signers::local::PrivateKeySigner,
};
use ctr::cipher::{KeyIvInit, StreamCipher};
// Its errors name the path.
use fs_err::{self as fs, os::unix::fs::OpenOptionsExt};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// A key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is no file for this address.
    #[error("no key for {0}")]
    Missing(Address),
    /// The file cannot be decrypted: another password, or damaged.
    #[error("the key file of {0} does not open: {1}")]
    Locked(Address, String),
    /// What was to be imported is no private key.
    #[error("not a private key of 32 bytes in hexadecimal")]
    Malformed,
    /// The file asks for more than opening a key may cost, or lacks what every such file has.
    #[error("the key file of {0} is not a V3 file that can be opened: {1}")]
    Unsound(Address, &'static str),
    /// The folder or a file in it cannot be read or written.
    #[error("keystore: {0}")]
    Io(#[from] io::Error),
    /// The cost parameter is out of range.
    #[error("scrypt's log2(n) must be between 1 and 24")]
    Cost,
}

/// A folder of keys that one password opens. Cheap to clone; a key is decrypted once, when it is first used.
#[derive(Clone)]
pub struct Keystore(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    password: SecretString,
    scrypt_log_n: u8,
    open: Mutex<HashMap<Address, PrivateKeySigner>>,
}

/// What of a key file decides how much work and memory opening it takes.
#[derive(Deserialize)]
pub(crate) struct KeyFile {
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipherparams: CipherParams,
    ciphertext: String,
    kdfparams: KdfParams,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    c: Option<u64>,
    n: Option<u64>,
    r: Option<u64>,
    p: Option<u64>,
}

#[cfg(any(test, fuzzing))]
impl KeyFile {
    /// Whether it opens within milliseconds.
    pub(crate) fn is_cheap(&self) -> bool {
        let KdfParams { c, n, r, .. } = self.crypto.kdfparams;
        c.unwrap_or(0) <= 1_000 && n.unwrap_or(0).saturating_mul(r.unwrap_or(0)) <= 1 << 10
    }
}

/// The most memory that opening a key may take, bytes: four times what geth's files take.
const MEMORY_MAX: u64 = 1 << 30;
/// The most passes over that memory, and the most rounds of PBKDF2.
const PASSES_MAX: u64 = 16;
const ROUNDS_MAX: u64 = 10_000_000;

/// Checks what the library that opens the file takes on trust: it would panic on short keys, and end the process when
/// asked for more memory than there is.
pub(crate) fn sound(file: &KeyFile) -> Result<(), &'static str> {
    let Crypto { cipherparams, ciphertext, kdfparams } = &file.crypto;
    let KdfParams { dklen, c, n, r, p } = *kdfparams;
    if cipherparams.iv.len() != 32 || ciphertext.len() != 64 || dklen != 32 {
        return Err("initialisation vector, ciphertext or derived key has the wrong length");
    }
    match (c, n, r, p) {
        (Some(1..=ROUNDS_MAX), None, None, None) => Ok(()),
        (None, Some(n @ 2..), Some(r @ 1..), Some(1..=PASSES_MAX)) => {
            let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
            let affordable = memory.is_some_and(|memory| memory <= MEMORY_MAX) && n.is_power_of_two();
            if affordable { Ok(()) } else { Err("scrypt's parameters ask for too much memory") }
        }
        _ => Err("its key derivation is neither scrypt nor PBKDF2 with sensible parameters"),
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl Keystore {
    /// The usual cost of a new file, log2 of scrypt's n: about half a second and 256 MiB to open.
    pub const SCRYPT_LOG_N: u8 = 18;
    /// For a throw-away chain and tests: opens in milliseconds.
    pub const SCRYPT_LOG_N_LIGHT: u8 = 12;

    /// Uses a folder, creating it (readable to its owner only) when it is missing. `scrypt_log_n` is the cost of files
    /// that are written from now on; files of any cost are read.
    ///
    /// # Errors
    /// When the folder cannot be made or the cost is out of range.
    pub fn open(folder: &Path, password: SecretString, scrypt_log_n: u8) -> Result<Self, KeystoreError> {
        use std::os::unix::fs::DirBuilderExt;

        if !(1..=24).contains(&scrypt_log_n) {
            return Err(KeystoreError::Cost);
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
        let inner = Inner { folder: folder.to_owned(), password, scrypt_log_n, open: Mutex::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// Makes a new key and tells its address.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn generate(&self) -> Result<Address, KeystoreError> {
        self.store(PrivateKeySigner::random()).await
    }

    /// Takes a private key (64 hexadecimal digits, `0x` allowed) in and tells its address. A file that is there stays.
    ///
    /// # Errors
    /// When it is no private key, or the file cannot be written.
    pub async fn import(&self, key: &SecretString) -> Result<Address, KeystoreError> {
        let signer = key.expose_secret().trim().parse().map_err(|_| KeystoreError::Malformed)?;
        self.store(signer).await
    }

    /// The addresses that have a file, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Address>, KeystoreError> {
        let mut addresses = Vec::new();
        for entry in fs::read_dir(&self.0.folder)? {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
            addresses.extend(stem.and_then(|stem| stem.parse::<Address>().ok()));
        }
        addresses.sort_unstable();
        Ok(addresses)
    }

    /// The signer of an address, decrypted on first use.
    ///
    /// # Errors
    /// When there is no file or it does not open.
    pub async fn signer(&self, address: Address) -> Result<PrivateKeySigner, KeystoreError> {
        if let Some(signer) = self.cached().get(&address) {
            return Ok(signer.clone());
        }
        let keystore = self.clone();
        let opened = tokio::task::spawn_blocking(move || keystore.decrypt(address)).await;
        let signer = opened.map_err(io::Error::other)??;
        self.cached().insert(address, signer.clone());
        Ok(signer)
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<Address, PrivateKeySigner>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, address: Address) -> PathBuf {
        self.0.folder.join(format!("{address:#x}.json"))
    }

    fn decrypt(&self, address: Address) -> Result<PrivateKeySigner, KeystoreError> {
        let path = self.path(address);
        if !path.exists() {
            return Err(KeystoreError::Missing(address));
        }
        let file = serde_json::from_slice(&fs::read(&path)?)
            .map_err(|_| KeystoreError::Unsound(address, "it is not JSON of the right shape"))?;
        sound(&file).map_err(|wrong| KeystoreError::Unsound(address, wrong))?;
        let signer = PrivateKeySigner::decrypt_keystore(path, self.0.password.expose_secret())
            .map_err(|error| KeystoreError::Locked(address, error.to_string()))?;
        if signer.address() == address {
            return Ok(signer);
        }
        Err(KeystoreError::Locked(address, format!("it holds the key of {}", signer.address())))
    }

    async fn store(&self, signer: PrivateKeySigner) -> Result<Address, KeystoreError> {
        let address = signer.address();
        let (keystore, key) = (self.clone(), signer.clone());
        let written = tokio::task::spawn_blocking(move || keystore.encrypt(&key)).await;
        written.map_err(io::Error::other)??;
        self.cached().insert(address, signer);
        Ok(address)
    }

    /// Writes the file whole or not at all, and only when there is none.
    fn encrypt(&self, signer: &PrivateKeySigner) -> Result<(), KeystoreError> {
        const R: u32 = 8;
        const P: u32 = 1;

        let path = self.path(signer.address());
        if path.exists() {
            return self.decrypt(signer.address()).map(|_| ());
        }
        let (salt, iv): ([u8; 32], [u8; 16]) = (rand::random(), rand::random());
        let mut derived = [0u8; 32];
        let params = scrypt::Params::new(self.0.scrypt_log_n, R, P).map_err(|_| KeystoreError::Cost)?;
        scrypt::scrypt(self.0.password.expose_secret().as_bytes(), &salt, &params, &mut derived)
            .map_err(|_| KeystoreError::Cost)?;
        let mut ciphertext = signer.to_bytes().0;
        let (encryption_key, mac_key) = derived.split_at(16);
        ctr::Ctr128BE::<Aes128>::new(encryption_key.into(), &iv.into()).apply_keystream(&mut ciphertext);
        let mac = keccak256([mac_key, &ciphertext[..]].concat());
        let file = json!({
            "version": 3,
            "id": Uuid::new_v4(),
            "address": hex::encode(signer.address()),
            "crypto": {
                "cipher": "aes-128-ctr",
                "cipherparams": { "iv": hex::encode(iv) },
                "ciphertext": hex::encode(ciphertext),
                "kdf": "scrypt",
                "kdfparams": {
                    "dklen": 32, "n": 1_u64 << self.0.scrypt_log_n, "p": P, "r": R, "salt": hex::encode(salt),
                },
                "mac": hex::encode(mac),
            },
        });
        let draft = self.0.folder.join(format!(".{}.part", Uuid::new_v4()));
        let mut output = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        output.write_all(file.to_string().as_bytes())?;
        output.sync_all()?;
        fs::rename(&draft, &path)?;
        Ok(fs::File::open(&self.0.folder)?.sync_all()?)
    }
}
