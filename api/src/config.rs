//! Settings of the HTTP side, one struct per concern, each with working defaults except the secrets.

use gateways::LightningConfig;
use payments::deal::DepositCall;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::{
    contracts::{receipts::ReceiptsConfig, till::TillConfig},
    disk::DiskConfig,
    edge::{AuthConfig, HttpConfig, StrangersConfig},
};

/// Everything that the HTTP side can be told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who may sign in, for how long.
    pub auth: AuthConfig,
    /// Limits and proxies.
    pub http: HttpConfig,
    /// What whoever has not signed in may ask for.
    pub strangers: StrangersConfig,
    /// How much of the disk has to stay free.
    pub disk: DiskConfig,
    /// What operators may do.
    pub operations: OperationsConfig,
    /// Payments of merchants' programs.
    pub deals: DealsConfig,
    /// Orders that are paid by bank transfer.
    pub receipts: ReceiptsConfig,
    /// Payments taken at a point of sale.
    pub till: TillConfig,
    /// The node whose invoices tills show.
    pub lightning: LightningConfig,
    /// Whom diamonds belong to that are deployed for nobody else; without it, the wallet that deploys them.
    #[serde(skip)]
    pub diamond_owner: Option<String>,
    /// How deals are paid at contracts that somebody else has written.
    #[serde(skip)]
    pub deposits: Vec<ContractDeposit>,
    /// Whether this is a playground: every page and every answer then says so.
    #[serde(skip)]
    pub is_development: bool,
}

/// How deals are paid at a contract that somebody else has written.
#[derive(Clone, Debug)]
pub struct ContractDeposit {
    /// The network's numeric id.
    pub chain_id: i64,
    /// Where the contract stands.
    pub diamond: String,
    /// What a payer calls there.
    pub call: DepositCall,
}

/// What payments of merchants' programs have to keep to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DealsConfig {
    /// How far ahead `expires_at` has to be at least, seconds: nobody can pay what has expired before it is on the chain.
    pub expires_in_min_s: u32,
}

impl Default for DealsConfig {
    fn default() -> Self {
        Self { expires_in_min_s: 5 }
    }
}

/// What operators may do beyond what is always safe.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationsConfig {
    /// Whether the body of a dead letter may be edited. Off by default: an edited message is one that no program of ours
    /// has written.
    pub edit_dead_letters: bool,
}

impl Config {
    /// Every mistake at once, each a sentence that names the setting.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let auth = &self.auth;
        let secrets = [("auth.jwt_secret", &auth.jwt_secret), ("auth.access_token_secret", &auth.access_token_secret)];
        let http = &self.http;
        let numbers = [
            ("auth.user_token_ttl_s", u64::from(auth.user_token_ttl_s)),
            ("auth.integration_token_ttl_s", u64::from(auth.integration_token_ttl_s)),
            ("auth.refresh_ttl_days", u64::from(auth.refresh_ttl_days)),
            ("http.body_limit_bytes", http.body_limit_bytes as u64),
            ("http.uri_limit_bytes", http.uri_limit_bytes as u64),
            ("http.header_limit_bytes", http.header_limit_bytes as u64),
            ("http.header_count_max", http.header_count_max as u64),
            ("http.header_timeout_ms", http.header_timeout_ms),
            ("http.body_timeout_ms", http.body_timeout_ms),
            ("http.request_timeout_ms", http.request_timeout_ms),
            ("http.write_timeout_ms", http.write_timeout_ms),
            ("http.idle_timeout_s", http.idle_timeout_s),
            ("http.connections_max", http.connections_max as u64),
            ("http.connections_per_address", http.connections_per_address as u64),
            ("http.rate_per_caller", u64::from(http.rate_per_caller)),
            ("http.rate_per_address", u64::from(http.rate_per_address)),
            ("http.callback_checks_per_address", u64::from(http.callback_checks_per_address)),
            ("http.callback_checks_in_all", u64::from(http.callback_checks_in_all)),
        ];
        let short = secrets
            .iter()
            .filter(|(_, secret)| secret.expose_secret().len() < 32)
            .map(|(name, _)| format!("{name} must have at least 32 bytes"));
        let zero = numbers.iter().filter(|(_, value)| *value == 0).map(|(name, _)| format!("{name} must be above 0"));
        let late = (http.body_timeout_ms >= http.request_timeout_ms)
            .then(|| "http.body_timeout_ms must be below http.request_timeout_ms".to_owned());
        short
            .chain(zero)
            .chain(late)
            .chain(self.strangers.mistakes())
            .chain(self.disk.mistakes())
            .chain(self.receipts.mistakes())
            .chain(self.till.mistakes(http.request_timeout_ms))
            .collect()
    }
}
