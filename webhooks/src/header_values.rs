//! Values of the headers that endpoints want sent along. They are credentials of somebody else's, so they are sealed in
//! the table: who reads a copy of the database learns none of them.
//!
//! The key follows from the installation's secret of webhooks, which is no row of the database. A sealed value names
//! its key, so that another one can take over while old values are still there, and is bound to its endpoint and its
//! header's name: moved to another row, or under another name, it opens no more.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use entities::{Unscoped as _, WebhookEndpointId, webhook_endpoint};
use queue::Database;
use rand::{TryRngCore as _, rngs::OsRng};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    prelude::*,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::Secrets;

/// Bytes of a nonce, drawn anew for each value: 2³² values under one key are far from where two may be expected to
/// share one.
const NONCE: usize = 12;

/// Bytes by which a sealed value is longer than what it seals: nonce and tag.
const OVERHEAD: usize = NONCE + 16;

/// Endpoints that are read in one step.
const STEP: u64 = 200;

/// What seals and opens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HeaderKey {
    cipher: Aes256Gcm,
    /// Names it in what it has sealed: a few digits of its hash.
    id: String,
}

/// A value as it stands in the table. Plain text, as earlier versions wrote it, is a string there and no object.
#[derive(Serialize, Deserialize)]
struct Sealed {
    key: String,
    sealed: String,
}

/// A value cannot be sealed: the system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the value of header {name} cannot be sealed: the system gives no random numbers")]
pub struct NotSealed {
    name: String,
}

/// Plain values are left in the table; the next start tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAllSealed {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error(transparent)]
    NotSealed(#[from] NotSealed),
}

/// A stored value cannot be opened, so nothing may be sent with it, nor without it.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// It was sealed under another installation secret.
    #[error("the value of header {name} was sealed with another webhooks.secret (key {key}); set the header anew")]
    OtherKey {
        name: String,
        /// The key that it names.
        key: String,
    },
    /// It is not what was written, or not where it was written.
    #[error("the value of header {name} is damaged or was moved from another endpoint; set the header anew")]
    Damaged { name: String },
}

impl HeaderKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { cipher: Aes256Gcm::new(&key.into()), id: hex::encode(&Sha256::digest(key)[..4]) }
    }
}

impl Secrets {
    /// The value as it is stored, for this header of this endpoint alone.
    ///
    /// # Errors
    /// The system gives no random numbers, so that nothing may be stored.
    pub fn seal(&self, endpoint: WebhookEndpointId, name: &str, value: &SecretString) -> Result<Value, NotSealed> {
        let failed = || NotSealed { name: name.to_owned() };
        let mut bytes = [0_u8; NONCE].to_vec();
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| failed())?;
        let (aad, HeaderKey { cipher, id }) = (place(endpoint, name), self.header_key());
        let payload = Payload { msg: value.expose_secret().as_bytes(), aad: &aad };
        bytes.extend(cipher.encrypt(Nonce::from_slice(&bytes), payload).map_err(|_| failed())?);
        Ok(serde_json::json!(Sealed { key: id.clone(), sealed: STANDARD.encode(bytes) }))
    }

    /// What was sealed; plain text, as earlier versions stored it, as it is.
    ///
    /// # Errors
    /// The value was sealed with another key or for another place, or is damaged: nothing may be sent without it.
    pub fn open(&self, endpoint: WebhookEndpointId, name: &str, stored: &Value) -> Result<SecretString, Unopened> {
        if let Some(plain) = stored.as_str() {
            return Ok(plain.into());
        }
        let damaged = || Unopened::Damaged { name: name.to_owned() };
        let Sealed { key, sealed } = Sealed::deserialize(stored).map_err(|_| damaged())?;
        let HeaderKey { cipher, id } = self.header_key();
        if key != *id {
            return Err(Unopened::OtherKey { name: name.to_owned(), key });
        }
        let bytes = STANDARD.decode(sealed).map_err(|_| damaged())?;
        let (nonce, text) = bytes.split_at_checked(NONCE).ok_or_else(damaged)?;
        let aad = place(endpoint, name);
        let opened = cipher.decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad: &aad });
        let text = String::from_utf8(opened.map_err(|_| damaged())?).map_err(|_| damaged())?;
        Ok(text.into())
    }
}

/// What a sealed value is bound to.
fn place(endpoint: WebhookEndpointId, name: &str) -> Vec<u8> {
    [endpoint.0.as_bytes(), name.as_bytes()].concat()
}

/// How many bytes a stored value has once it is opened, for a bound that needs no key.
#[must_use]
pub fn length_of(stored: &Value) -> usize {
    match Sealed::deserialize(stored) {
        Ok(Sealed { sealed, .. }) => STANDARD.decode(sealed).map_or(0, |bytes| bytes.len().saturating_sub(OVERHEAD)),
        Err(_) => stored.as_str().map_or(0, str::len),
    }
}

/// Seals what earlier versions have stored as plain text, and returns at how many endpoints. An endpoint that was made
/// under another installation secret is another process's to seal.
///
/// # Errors
/// A statement failed, or there are no random numbers. What was sealed before stays so, and the caller tries again.
pub(crate) async fn seal_plain(db: &Database, secrets: &Secrets) -> Result<usize, NotAllSealed> {
    let (mut sealed, mut after) = (0, None);
    loop {
        let mut page = webhook_endpoint::Entity::find().order_by_asc(webhook_endpoint::Column::Id).limit(STEP);
        if let Some(id) = after {
            page = page.filter(webhook_endpoint::Column::Id.gt(id));
        }
        let page = page.all(&**db).await?;
        after = page.last().map(|endpoint| endpoint.id);
        for endpoint in page.iter().filter(|endpoint| has_plain(endpoint)) {
            sealed += usize::from(seal_one(db, secrets, endpoint.id).await?);
        }
        if (page.len() as u64) < STEP {
            return Ok(sealed);
        }
    }
}

async fn seal_one(db: &Database, secrets: &Secrets, id: WebhookEndpointId) -> Result<bool, NotAllSealed> {
    let tx = db.begin().await?;
    // Locked, and read again: its owner may have changed it since.
    let endpoint = webhook_endpoint::Entity::find_unscoped(id).lock_exclusive().one(&*tx).await?;
    let ours = |endpoint: &webhook_endpoint::Model| {
        secrets.check(endpoint.id, endpoint.secret_version) == endpoint.secret_check && has_plain(endpoint)
    };
    let Some(endpoint) = endpoint.filter(ours) else { return Ok(false) };
    let mut headers = Map::new();
    for (name, value) in endpoint.headers.as_object().into_iter().flatten() {
        let value = match value.as_str() {
            Some(plain) => secrets.seal(id, name, &plain.into())?,
            None => value.clone(),
        };
        headers.insert(name.clone(), value);
    }
    let mut endpoint = endpoint.into_active_model();
    endpoint.headers = Set(Value::Object(headers));
    endpoint.update(&*tx).await?;
    tx.commit().await?;
    Ok(true)
}

fn has_plain(endpoint: &webhook_endpoint::Model) -> bool {
    endpoint.headers.as_object().into_iter().flatten().any(|(_, value)| value.is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_where_it_was_sealed() {
        let (here, there) = (Secrets::new(&"here".into()), Secrets::new(&"there".into()));
        let (one, other) = (WebhookEndpointId::new(), WebhookEndpointId::new());
        let sealed = here.seal(one, "authorization", &"Bearer abc".into()).unwrap();
        assert!(!sealed.to_string().contains("abc") && length_of(&sealed) == 10, "{sealed}");
        assert_ne!(sealed, here.seal(one, "authorization", &"Bearer abc".into()).unwrap(), "never the same twice");
        assert_eq!(here.open(one, "authorization", &sealed).unwrap().expose_secret(), "Bearer abc");
        assert!(matches!(here.open(other, "authorization", &sealed), Err(Unopened::Damaged { .. })));
        assert!(matches!(here.open(one, "x-key", &sealed), Err(Unopened::Damaged { .. })));
        assert!(matches!(there.open(one, "authorization", &sealed), Err(Unopened::OtherKey { .. })));
        for damaged in
            [serde_json::json!({}), serde_json::json!(3), serde_json::json!({ "key": sealed["key"], "sealed": "AA" })]
        {
            assert!(matches!(here.open(one, "authorization", &damaged), Err(Unopened::Damaged { .. })), "{damaged}");
        }
        assert_eq!(here.open(one, "x-key", &Value::from("plain")).unwrap().expose_secret(), "plain");
    }
}
