//! Settings of the Lightning node.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Invoices of the Lightning network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LightningConfig {
    /// The node; the built-in sandbox node, where that is on, when it is left out.
    pub phoenixd: Option<PhoenixdConfig>,
    /// How long payers may take, seconds.
    pub expiry_s: u32,
}

impl Default for LightningConfig {
    fn default() -> Self {
        Self { phoenixd: None, expiry_s: 3_600 }
    }
}

/// A node of phoenixd's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhoenixdConfig {
    pub base_url: String,
    /// `http-password` of its settings, or the limited one.
    pub password: SecretString,
    /// `webhook-secret` of its settings; callbacks are refused without.
    pub webhook_secret: SecretString,
    /// Deadline of one request, milliseconds.
    pub timeout_ms: u64,
    /// Whether it is the one that we play ourselves; never read from a file.
    #[serde(skip)]
    pub is_sandbox: bool,
}

impl Default for PhoenixdConfig {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:9740".to_owned(),
            password: SecretString::from(""),
            webhook_secret: SecretString::from(""),
            timeout_ms: 5_000,
            is_sandbox: false,
        }
    }
}

impl LightningConfig {
    /// Every mistake at once, each a sentence that names the setting.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if !(60..=604_800).contains(&self.expiry_s) {
            mistakes.push("gateways.lightning.expiry_s must be from 60 to 604800".to_owned());
        }
        let Some(node) = &self.phoenixd else { return mistakes };
        let named = |name: &str| format!("gateways.lightning.phoenixd.{name}");
        if !url::Url::parse(&node.base_url).is_ok_and(|url| ["http", "https"].contains(&url.scheme())) {
            mistakes.push(format!("{} must be an address with http or https", named("base_url")));
        }
        for (name, secret) in [("password", &node.password), ("webhook_secret", &node.webhook_secret)] {
            if secret.expose_secret().is_empty() {
                mistakes.push(format!("{} must be set; it stands in the node's phoenix.conf", named(name)));
            }
        }
        if node.timeout_ms == 0 {
            mistakes.push(format!("{} must be above 0", named("timeout_ms")));
        }
        mistakes
    }
}
