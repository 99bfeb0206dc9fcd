//! Keys in their files.

use std::os::unix::fs::PermissionsExt;

use alloy::signers::local::PrivateKeySigner;
use chain::{Keystore, KeystoreError};
use secrecy::SecretString;

fn password(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

#[tokio::test]
async fn keeps_keys_encrypted_and_opens_them_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    let keystore = Keystore::open(&path, password("right"), 4).expect("opens");
    let made = keystore.generate().await.expect("a key");
    let key = PrivateKeySigner::random();
    let digits = alloy::hex::encode_prefixed(key.to_bytes());
    let imported = keystore.import(&password(&digits)).await.expect("imports");
    assert_eq!(imported, key.address());
    assert_eq!(keystore.import(&password(&digits)).await.expect("imports again"), imported);
    let mut expected = vec![made, imported];
    expected.sort_unstable();
    assert_eq!(keystore.list().expect("lists"), expected);

    let again = Keystore::open(&path, password("right"), 4).expect("opens");
    assert_eq!(again.signer(imported).await.expect("decrypts"), key);
    assert_eq!(again.signer(made).await.expect("decrypts").address(), made);
    let file = path.join(format!("{imported:#x}.json"));
    let content = std::fs::read_to_string(&file).expect("reads");
    assert!(!content.contains(digits.trim_start_matches("0x")), "the key stands in the file");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&path)), (0o600, 0o700));
    assert!(!format!("{again:?}").contains("right"));
}

#[tokio::test]
async fn says_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let keystore = Keystore::open(folder.path(), password("right"), 4).expect("opens");
    let address = keystore.generate().await.expect("a key");
    let wrong = Keystore::open(folder.path(), password("wrong"), 4).expect("opens");
    assert!(matches!(wrong.signer(address).await, Err(KeystoreError::Locked(of, _)) if of == address));
    let nobody = PrivateKeySigner::random().address();
    assert!(matches!(keystore.signer(nobody).await, Err(KeystoreError::Missing(of)) if of == nobody));
    assert!(matches!(keystore.import(&password("0x12")).await, Err(KeystoreError::Malformed)));
    assert!(matches!(Keystore::open(folder.path(), password(""), 0), Err(KeystoreError::Cost)));
    // A file under another's name would sign with the wrong key.
    let from = folder.path().join(format!("{address:#x}.json"));
    std::fs::copy(from, folder.path().join(format!("{nobody:#x}.json"))).expect("copies");
    let fresh = Keystore::open(folder.path(), password("right"), 4).expect("opens");
    assert!(matches!(fresh.signer(nobody).await, Err(KeystoreError::Locked(of, _)) if of == nobody));
}
