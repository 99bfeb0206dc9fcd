//! Settings of the gateways, one struct for each, with what is needed to reach them.

mod lightning;
mod stripe;

pub use self::{
    lightning::{LightningConfig, PhoenixdConfig},
    stripe::StripeConfig,
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};
use uuid::Uuid;

use crate::mobile_money::{HOLO, HURI, MVOLA_KM, MVOLA_MG, Profile};

/// Every gateway that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The built-in one, which moves no money.
    pub sandbox: SandboxConfig,
    /// The node whose invoices tills show.
    pub lightning: LightningConfig,
    /// Cards, and the accounts of sellers.
    pub stripe: Option<StripeConfig>,
    pub paypal: Option<PayPalConfig>,
    /// Operators of mobile money.
    pub mobile_money: MobileMoneyConfig,
}

/// The sandbox stands for every source that has no gateway of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// On by default without an own database; never for production.
    pub enabled: Option<bool>,
    /// Where the API that plays it is reached by the workers; our own address by default.
    pub base_url: String,
    /// The secret that signs requests and callbacks; derived from `auth.access_token_secret` by default.
    pub secret: SecretString,
}

/// An app of PayPal's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayPalConfig {
    /// Those that are served, with all below them; all are when this is empty.
    pub nodes: Vec<Uuid>,
    /// PayPal's own, or `https://api-m.sandbox.paypal.com`.
    pub base_url: String,
    pub client_id: String,
    pub client_secret: SecretString,
    /// PayPal's id of the webhook that leads to `/v1/webhooks/payments/paypal`.
    pub webhook_id: String,
    /// How old, or how far ahead, a callback may be.
    pub webhook_tolerance_s: u32,
    /// What PayPal's page calls the shop; the account's own name without.
    pub brand_name: Option<String>,
    /// How long a call may wait for its response, milliseconds.
    pub timeout_ms: u64,
}

impl Default for PayPalConfig {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            base_url: "https://api-m.paypal.com".to_owned(),
            client_id: String::new(),
            client_secret: SecretString::default(),
            webhook_id: String::new(),
            webhook_tolerance_s: 3_600,
            brand_name: None,
            timeout_ms: 10_000,
        }
    }
}

/// Operators of mobile money, as far as there is a contract with them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MobileMoneyConfig {
    pub mvola_mg: Option<OperatorConfig>,
    pub mvola_km: Option<OperatorConfig>,
    pub holo: Option<OperatorConfig>,
    pub huri: Option<OperatorConfig>,
}

/// An account of a merchant at an operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorConfig {
    /// Those that are served, with all below them; all are when this is empty.
    pub nodes: Vec<Uuid>,
    pub base_url: String,
    /// OAuth client id or Basic user; not used where the operator takes a key alone.
    pub client_id: String,
    /// OAuth client secret, Basic password or key.
    pub client_secret: SecretString,
    /// The merchant's number, which is paid, as the operator writes it.
    pub merchant: String,
    /// The merchant's name as the operator knows it.
    pub partner_name: String,
    /// User with whom the operator calls back, where it does so with Basic credentials.
    pub callback_user: String,
    /// Secret with which the operator calls back.
    pub callback_secret: SecretString,
    /// How long a call may wait for its response, milliseconds.
    pub timeout_ms: u64,
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            base_url: String::new(),
            client_id: String::new(),
            client_secret: SecretString::default(),
            merchant: String::new(),
            partner_name: String::new(),
            callback_user: String::new(),
            callback_secret: SecretString::default(),
            timeout_ms: 10_000,
        }
    }
}

/// The shortest secret that a callback may be trusted for, characters.
const CALLBACK_SECRET_MIN: usize = 16;

/// A step with a gateway, which may make several calls, is cut off after as long.
const TIMEOUT_MAX_MS: u64 = 15_000;

impl Config {
    /// What is wrong with the settings, one sentence each.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes: Vec<String> = self.stripe.iter().flat_map(StripeConfig::mistakes).collect();
        if let Some(paypal) = &self.paypal {
            paypal.mistakes(&mut mistakes);
        }
        for (name, profile, operator) in self.mobile_money.operators() {
            operator.mistakes(&format!("gateways.mobile_money.{name}"), profile, &mut mistakes);
        }
        mistakes.extend(self.lightning.mistakes());
        mistakes
    }
}

impl MobileMoneyConfig {
    /// Those that have settings, each with what these are called.
    pub(crate) fn operators(&self) -> impl Iterator<Item = (&'static str, &'static Profile, &OperatorConfig)> {
        let Self { mvola_mg, mvola_km, holo, huri } = self;
        let all = [
            ("mvola_mg", &MVOLA_MG, mvola_mg),
            ("mvola_km", &MVOLA_KM, mvola_km),
            ("holo", &HOLO, holo),
            ("huri", &HURI, huri),
        ];
        all.into_iter().filter_map(|(name, profile, operator)| Some((name, profile, operator.as_ref()?)))
    }
}

impl PayPalConfig {
    fn mistakes(&self, mistakes: &mut Vec<String>) {
        let prefix = "gateways.paypal";
        mistakes.extend(reach(prefix, &self.base_url, self.timeout_ms));
        let texts = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose_secret()),
            ("webhook_id", &self.webhook_id),
        ];
        mistakes.extend(missing(prefix, &texts));
        if self.webhook_tolerance_s == 0 {
            mistakes.push(format!("{prefix}.webhook_tolerance_s must be above 0, or no callback is ever in time"));
        }
    }
}

impl OperatorConfig {
    fn mistakes(&self, prefix: &str, profile: &Profile, mistakes: &mut Vec<String>) {
        mistakes.extend(reach(prefix, &self.base_url, self.timeout_ms));
        let named = [
            ("client_id", &self.client_id, profile.needs_client_id()),
            ("callback_user", &self.callback_user, profile.needs_callback_user()),
        ];
        for (name, text, is_needed) in named {
            if is_needed {
                mistakes.extend(missing(prefix, &[(name, text)]));
            }
        }
        let texts = [
            ("client_secret", self.client_secret.expose_secret()),
            ("merchant", &self.merchant),
            ("partner_name", &self.partner_name),
        ];
        mistakes.extend(missing(prefix, &texts));
        if !self.partner_name.is_ascii() {
            mistakes.push(format!("{prefix}.partner_name must be ASCII: it is sent in a header"));
        }
        if self.callback_secret.expose_secret().chars().count() < CALLBACK_SECRET_MIN {
            mistakes.push(format!("{prefix}.callback_secret must have at least {CALLBACK_SECRET_MIN} characters"));
        }
    }
}

fn missing(prefix: &str, texts: &[(&str, &str)]) -> Vec<String> {
    let empty = texts.iter().filter(|(_, text)| text.trim().is_empty());
    empty.map(|(name, _)| format!("{prefix}.{name} must be set")).collect()
}

/// What is wrong with where a gateway is, and with how long it is waited for.
fn reach(prefix: &str, base_url: &str, timeout_ms: u64) -> Vec<String> {
    let mut mistakes = Vec::new();
    let is_here = |url: &Url| match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match Url::parse(base_url) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_here(&url)) => {}
        _ => mistakes.push(format!("{prefix}.base_url must be an https URL: it is sent credentials")),
    }
    if !(1..=TIMEOUT_MAX_MS).contains(&timeout_ms) {
        mistakes.push(format!("{prefix}.timeout_ms must be from 1 to {TIMEOUT_MAX_MS}"));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_need_be_set_and_what_is_set_must_be_whole() {
        assert_eq!(Config::default().mistakes(), Vec::<String>::new());
        let bare = Config {
            paypal: Some(PayPalConfig::default()),
            mobile_money: MobileMoneyConfig { holo: Some(OperatorConfig::default()), ..Default::default() },
            ..Config::default()
        };
        let mistakes = bare.mistakes();
        assert_eq!(mistakes.len(), 3 + 5, "{mistakes:?}");
        assert!(mistakes.contains(&"gateways.paypal.webhook_id must be set".to_owned()), "{mistakes:?}");
        assert!(mistakes.iter().any(|mistake| mistake.starts_with("gateways.mobile_money.holo.callback_secret")));
    }

    #[test]
    fn credentials_go_over_https_or_stay_on_this_machine() {
        for good in ["https://api-m.paypal.com", "http://127.0.0.1:80", "http://localhost/x", "http://[::1]:9"] {
            assert!(reach("x", good, 1).is_empty(), "{good}");
        }
        for bad in ["", "api-m.paypal.com", "http://api-m.paypal.com", "ftp://127.0.0.1", "http://127.0.0.1.nip.io"] {
            assert_eq!(reach("x", bad, 1).len(), 1, "{bad}");
        }
        assert_eq!(reach("x", "https://a", 0).len(), 1);
    }
}
