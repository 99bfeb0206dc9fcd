//! Settings of Stripe.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::reach;

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

/// Stripe answers most calls within two seconds; what takes longer is looked for.
fn stripe_timeout_ms() -> u64 {
    10_000
}

impl StripeConfig {
    pub(super) fn mistakes(&self) -> Vec<String> {
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
        mistakes.extend(reach("gateways.stripe", &self.base_url, self.timeout_ms));
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_in_stripes_settings_is_reported() {
        let mut config: StripeConfig =
            serde_json::from_str(r#"{"secret_key": "sk_test_1", "webhook_secret": "whsec_1"}"#).unwrap();
        assert_eq!(config.mistakes(), Vec::<String>::new());
        assert_eq!(config.base_url, "https://api.stripe.com");
        config.secret_key = "pk_test_1".into();
        config.webhook_secret = "".into();
        config.base_url = "api.stripe.com".to_owned();
        config.timeout_ms = 0;
        assert_eq!(config.mistakes().len(), 4);
    }
}
