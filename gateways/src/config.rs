//! Settings of the gateways, one struct for each, with what is needed to reach them.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

/// Every gateway that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The built-in one, which moves no money.
    pub sandbox: SandboxConfig,
    /// Cards, and the accounts of sellers.
    pub stripe: Option<StripeConfig>,
}

impl Config {
    /// What is wrong with the settings, one sentence each.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        self.stripe.iter().flat_map(StripeConfig::mistakes).collect()
    }
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

/// An account at Stripe, the platform's when sellers have connected accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeConfig {
    /// `sk_…`, or a restricted `rk_…`.
    pub secret_key: SecretString,
    /// `whsec_…`, of the webhook endpoint that is registered at Stripe for us.
    pub webhook_secret: SecretString,
    /// Where the API is; Stripe's own by default.
    #[serde(default = "stripe_base_url")]
    pub base_url: String,
    /// The nodes that it serves, with all below them; every node when there are none.
    #[serde(default)]
    pub nodes: Vec<Uuid>,
    /// The longest that a call may take, milliseconds.
    #[serde(default = "stripe_timeout_ms")]
    pub timeout_ms: u64,
    /// Where Stripe sends a seller's browser after its own pages about the account. Without it sellers whose account is
    /// not complete get no link to complete it.
    #[serde(default)]
    pub seller_return_url: Option<Url>,
}

fn stripe_base_url() -> String {
    "https://api.stripe.com".to_owned()
}

/// Stripe answers most calls within two seconds, and the slowest within this.
fn stripe_timeout_ms() -> u64 {
    30_000
}

impl StripeConfig {
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut wrong = |wrong: bool, sentence: &str| {
            if wrong {
                mistakes.push(sentence.to_owned());
            }
        };
        let key = self.secret_key.expose_secret();
        wrong(
            !(key.starts_with("sk_") || key.starts_with("rk_")) || !key.bytes().all(|byte| byte.is_ascii_graphic()),
            "gateways.stripe.secret_key must be a secret or restricted key, which begins with sk_ or rk_",
        );
        wrong(
            !self.webhook_secret.expose_secret().starts_with("whsec_"),
            "gateways.stripe.webhook_secret must be the signing secret of a webhook endpoint, which begins with whsec_",
        );
        wrong(!is_base(&self.base_url), "gateways.stripe.base_url must be an http or https URL without a query");
        wrong(!(1..=600_000).contains(&self.timeout_ms), "gateways.stripe.timeout_ms must be from 1 to 600000");
        mistakes
    }
}

fn is_base(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_in_stripes_settings_is_told() {
        let mut config: StripeConfig =
            serde_json::from_str(r#"{"secret_key": "sk_test_1", "webhook_secret": "whsec_1"}"#).unwrap();
        assert_eq!(config.mistakes(), Vec::<String>::new());
        assert_eq!(config.base_url, "https://api.stripe.com");
        config.secret_key = "pk_test_1".into();
        config.webhook_secret = "".into();
        config.base_url = "api.stripe.com".to_owned();
        config.timeout_ms = 0;
        assert_eq!(Config { stripe: Some(config), ..Config::default() }.mistakes().len(), 4);
    }
}
