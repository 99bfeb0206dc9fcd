//! Settings of the gateways, one struct for each, with what is needed to reach them.

use secrecy::SecretString;
use serde::Deserialize;

/// Every gateway that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The built-in one, which moves no money.
    pub sandbox: SandboxConfig,
}

/// The sandbox stands for every source that has no gateway of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// On by default without an own database; never for production.
    pub enabled: Option<bool>,
    /// Where the API that plays it is reached by the workers; our own address by default.
    pub base_url: String,
    /// What signs requests and callbacks; derived from `auth.access_token_secret` by default.
    pub secret: SecretString,
}
