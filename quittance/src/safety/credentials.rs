//! Which gateways move real money.

use gateways::{Config, OperatorConfig, StripeConfig};
use secrecy::ExposeSecret;
use url::Url;

use super::host;

/// Hosts on which gateways let programs be tried.
const TRIAL_HOSTS: [&str; 3] = ["api-m.sandbox.paypal.com", "api.sandbox.paypal.com", "devapi.mvola.mg"];

/// The credentials with which real money moves, each as words for a sentence.
pub(super) fn live(config: &Config) -> Vec<String> {
    let mut live = Vec::new();
    if config.stripe.as_ref().is_some_and(is_live) {
        live.push("a live key of Stripe (gateways.stripe.secret_key)".to_owned());
    }
    if config.paypal.as_ref().is_some_and(|paypal| is_real(&paypal.base_url)) {
        live.push("PayPal itself (gateways.paypal.base_url)".to_owned());
    }
    let mobile = &config.mobile_money;
    let operators = [
        ("mvola_mg", &mobile.mvola_mg),
        ("mvola_km", &mobile.mvola_km),
        ("holo", &mobile.holo),
        ("huri", &mobile.huri),
    ];
    let real = |operator: &OperatorConfig| is_real(&operator.base_url);
    for (name, _) in operators.into_iter().filter(|(_, operator)| operator.as_ref().is_some_and(real)) {
        live.push(format!("an operator of mobile money (gateways.mobile_money.{name})"));
    }
    let node = config.lightning.phoenixd.as_ref().filter(|node| !node.is_sandbox);
    if node.is_some_and(|node| is_real(&node.base_url)) {
        live.push("a Lightning node (gateways.lightning.phoenixd)".to_owned());
    }
    live
}

/// A live key moves money wherever it is sent, be it by a proxy on this host; a test key moves none at Stripe itself.
fn is_live(stripe: &StripeConfig) -> bool {
    let key = stripe.secret_key.expose_secret();
    let of = |kind: &str| ["sk_", "rk_"].iter().any(|start| key.starts_with(&format!("{start}{kind}_")));
    of("live") || (!of("test") && is_real(&stripe.base_url))
}

/// Whether a gateway there moves money: what is on this host is a double of it.
fn is_real(base_url: &str) -> bool {
    let host = Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    !host::leads_here(base_url) && !host.is_some_and(|host| TRIAL_HOSTS.contains(&host.as_str()))
}
