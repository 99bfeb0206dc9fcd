//! Secrets that are none.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Danger, Mode, host};
use crate::settings::Settings;

/// Passwords that every installer of PostgreSQL and RabbitMQ, and every reader of our own examples, knows.
const KNOWN: [&str; 12] = [
    "guest",
    "quittance",
    "postgres",
    "rabbitmq",
    "password",
    "secret",
    "changeme",
    "change-me",
    "admin",
    "test",
    "example",
    "root",
];

/// The shortest keystore password and shared secret that nobody finds by trying, characters.
const LENGTH_MIN: usize = 16;

/// Fewer different characters than this are a pattern and no secret.
const VARIETY_MIN: usize = 6;

pub(super) fn dangers(settings: &Settings, mode: Mode) -> Vec<Danger> {
    let mut dangers = passwords(settings);
    dangers.extend(weak(settings));
    if mode == Mode::Production {
        dangers.extend(keystore(settings));
    }
    dangers
}

/// Passwords in URLs. On this very host, where a developer's servers are, the makers' own are nothing special.
fn passwords(settings: &Settings) -> Vec<Danger> {
    let urls = [("database.url", &settings.database.url), ("broker.url", &settings.broker.url)];
    let known = urls.into_iter().filter(|(_, url)| {
        let url = url.expose_secret();
        let password = Url::parse(url).ok().and_then(|url| url.password().map(str::to_ascii_lowercase));
        let ours = password.as_deref() == Some("quittance");
        password.is_some_and(|password| KNOWN.contains(&password.as_str())) && (ours || !host::leads_here(url))
    });
    let why = "its password is one that everybody knows";
    known.map(|(what, _)| Danger::warned(what, why, "give the server a password that was drawn by chance")).collect()
}

/// Secrets that can be guessed, or that are the same.
fn weak(settings: &Settings) -> Vec<Danger> {
    let (auth, gateways) = (&settings.auth, &settings.gateways);
    let mut secrets = vec![
        ("auth.jwt_secret", &auth.jwt_secret),
        ("auth.access_token_secret", &auth.access_token_secret),
        ("webhooks.secret", &settings.webhooks.secret),
        ("keystore.password", &settings.keystore.password),
        ("gateways.sandbox.secret", &gateways.sandbox.secret),
    ];
    if let Some(node) = gateways.lightning.phoenixd.as_ref().filter(|node| !node.is_sandbox) {
        secrets.push(("gateways.lightning.phoenixd.webhook_secret", &node.webhook_secret));
    }
    let guessed = secrets.iter().filter(|(_, secret)| is_weak(secret));
    let remedy = "draw it by chance, such as with `openssl rand -hex 32`, or leave it out where it is made for you";
    let mut dangers: Vec<Danger> = guessed
        .map(|(what, _)| Danger::warned(what, "it can be guessed: it is short, known or a pattern", remedy))
        .collect();
    let jwt_secret = auth.jwt_secret.expose_secret();
    if !jwt_secret.is_empty() && jwt_secret == auth.access_token_secret.expose_secret() {
        let why = "it is the same as auth.jwt_secret, so that what signs one kind of token signs the other";
        dangers.push(Danger::warned("auth.access_token_secret", why, remedy));
    }
    dangers
}

/// An empty one is made at the first start.
fn is_weak(secret: &SecretString) -> bool {
    let secret = secret.expose_secret();
    let different: BTreeSet<char> = secret.chars().collect();
    let known = KNOWN.contains(&secret.to_ascii_lowercase().as_str());
    !secret.is_empty() && (secret.chars().count() < LENGTH_MIN || different.len() < VARIETY_MIN || known)
}

/// Who takes the data folder, or a backup of it, has the keys and what opens them.
fn keystore(settings: &Settings) -> Option<Danger> {
    (!settings.origin.is_given("keystore.password")).then(|| {
        Danger::warned(
            "keystore.password",
            "it is kept in secrets.json in the data folder, beside the keys that it opens",
            "hand it in by the environment from where secrets are kept, and keep it out of backups of the data folder",
        )
    })
}
