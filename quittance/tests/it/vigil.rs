//! Secrets never appear in logs: every world remembers its secrets, logs at debug level, and is searched at its end.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::Value;

/// Fields of our files and answers whose values are secrets.
const SECRET_FIELDS: [&str; 10] = [
    "pin",
    "password",
    "secret_key",
    "private_key",
    "access_token",
    "refresh_token",
    "accessToken",
    "jwt_secret",
    "access_token_secret",
    "keystore_password",
];

/// Shorter ones, such as RabbitMQ's `guest`, are words that logs may well contain.
const SECRET_MIN: usize = 8;

/// What must not be found. Cheap to clone; all clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Vigil(Arc<Mutex<BTreeSet<String>>>);

impl Vigil {
    pub(crate) fn keep(&self, secret: &str) {
        if secret.len() >= SECRET_MIN {
            self.0.lock().unwrap().insert(secret.to_owned());
        }
    }

    /// Keeps every secret field of a document, however deep.
    pub(crate) fn keep_all(&self, document: &Value) {
        match document {
            Value::Array(items) => items.iter().for_each(|item| self.keep_all(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(secret) if SECRET_FIELDS.contains(&name.as_str()) => {
                            self.keep(secret);
                            self.keep(secret.trim_start_matches("0x"));
                        }
                        _ => self.keep_all(value),
                    }
                }
            }
            _ => {}
        }
    }

    /// Keeps the password of a URL.
    pub(crate) fn keep_password(&self, url: &str) {
        let authority = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        if let Some((_, password)) = authority.and_then(|(user, _)| user.split_once(':')) {
            self.keep(password);
        }
    }

    /// How many secrets are watched.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The lines with a secret in them, each with the secret. Digits alone, such as PINs, count only where they stand
    /// alone: times and amounts are full of digits.
    pub(crate) fn found_in(&self, text: &str) -> Vec<String> {
        let secrets = self.0.lock().unwrap();
        let tells = |line: &str, secret: &str| {
            line.match_indices(secret).any(|(at, _)| {
                let around = (line[..at].chars().next_back(), line[at + secret.len()..].chars().next());
                let alone = |next: Option<char>| next.is_none_or(|next| !next.is_ascii_alphanumeric());
                !secret.bytes().all(|byte| byte.is_ascii_digit()) || (alone(around.0) && alone(around.1))
            })
        };
        let lines = text.lines().flat_map(|line| secrets.iter().map(move |secret| (line, secret)));
        lines.filter(|(line, secret)| tells(line, secret)).map(|(line, secret)| format!("{secret} in {line}")).collect()
    }

    /// The same for a file of a log.
    pub(crate) fn found_in_file(&self, log: &Path) -> Vec<String> {
        self.found_in(&String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()))
    }
}

#[test]
fn finds_secrets_and_nothing_else() {
    let vigil = Vigil::default();
    vigil.keep_all(&serde_json::json!({
        "admin": { "name": "administrator", "pin": "12345678" },
        "tokens": [{ "access_token": "eyJhbGciOi" }],
        "payer": { "private_key": "0x2882cdf35037cb41" },
    }));
    vigil.keep_password("postgres://quittance:longpassword@host/name");
    vigil.keep_password("amqp://guest:guest@host");
    assert_eq!(vigil.len(), 5, "with and without 0x");
    for line in [
        "pin=12345678",
        "Authorization: Bearer eyJhbGciOi",
        "key 2882cdf35037cb41",
        "postgres://quittance:longpassword@",
    ] {
        assert!(!vigil.found_in(line).is_empty(), "{line}");
    }
    for line in ["administrator", "at 1763712345678901", "0x12345678ab", "guest", "eyJhbGci"] {
        assert!(vigil.found_in(line).is_empty(), "{line}");
    }
}
