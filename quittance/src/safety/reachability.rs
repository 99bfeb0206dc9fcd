//! Who can reach us, and over what.

use secrecy::ExposeSecret;
use url::Url;

use super::{Danger, Mode, host, networks};
use crate::settings::Settings;

/// What shows that others than this host are meant to reach us, as words for a sentence.
pub(super) fn public(settings: &Settings) -> Vec<String> {
    let mut signs = Vec::new();
    if let Some(url) = public_base_url(settings) {
        signs.push(format!("a public base_url ({})", host::name(url)));
    }
    if listens_publicly(settings) {
        signs.push(format!("a public listen address ({})", settings.listen));
    }
    signs
}

fn public_base_url(settings: &Settings) -> Option<&str> {
    settings.base_url.as_deref().filter(|url| !host::leads_here(url))
}

fn listens_publicly(settings: &Settings) -> bool {
    !settings.listen.ip().to_canonical().is_loopback()
}

pub(super) fn dangers(settings: &Settings, mode: Mode) -> Vec<Danger> {
    let mut dangers = proxies(settings);
    dangers.extend(cookies(settings));
    dangers.extend(devchain(settings));
    if mode == Mode::Production {
        dangers.extend(insides(settings));
    }
    dangers.extend(servers(settings));
    dangers
}

/// What is unsafe about proxies, and about TLS, which proxies end.
fn proxies(settings: &Settings) -> Vec<Danger> {
    let mut dangers = Vec::new();
    if let Some(url) = public_base_url(settings) {
        if !settings.origin.is_given("http.trusted_proxies") {
            dangers.push(Danger::refused(
                "http.trusted_proxies",
                format!(
                    "base_url is public ({}), and nobody has said whether a proxy stands in front: behind one, all \
                     clients would share one address and one limit",
                    host::name(url)
                ),
                "set the number of proxies that append to X-Forwarded-For, or 0 where clients connect to us directly",
            ));
        }
        if url.starts_with("http://") {
            dangers.push(Danger::warned(
                "base_url",
                "it is public and plain http: passwords, tokens and payers' pages can be read and changed on the way",
                "put a proxy with TLS in front and give its https address",
            ));
        }
    }
    if listens_publicly(settings) && settings.base_url.is_none() {
        dangers.push(Danger::warned(
            "listen",
            format!("{} is reached by others, without TLS and without a base_url to hand out", settings.listen),
            "listen on 127.0.0.1 behind a proxy with TLS, and set base_url",
        ));
    }
    if listens_publicly(settings) && settings.http.trusted_proxies > 0 {
        dangers.push(Danger::warned(
            "listen",
            "who reaches it past the proxy writes X-Forwarded-For, and so the own address, as they like",
            "listen on 127.0.0.1, or let only the proxy in by a firewall",
        ));
    }
    dangers
}

fn cookies(settings: &Settings) -> Option<Danger> {
    let https = settings.base_url.as_deref().map(|url| url.starts_with("https://"));
    match (settings.auth.cookie_secure, https) {
        (Some(false), Some(true)) => Some(Danger::warned(
            "auth.cookie_secure",
            "base_url is https, and browsers would send cookies over plain http too",
            "leave it out: it follows base_url",
        )),
        (Some(true), Some(false)) => Some(Danger::warned(
            "auth.cookie_secure",
            "base_url is plain http, where browsers drop cookies that are marked Secure: nobody can sign in",
            "leave it out: it follows base_url",
        )),
        _ => None,
    }
}

fn devchain(settings: &Settings) -> Vec<Danger> {
    let mut dangers = Vec::new();
    if !settings.runs_devchain() {
        return dangers;
    }
    if settings.devchain.listen.is_some_and(|address| !address.ip().to_canonical().is_loopback()) {
        dangers.push(Danger::refused(
            "devchain.listen",
            "a development chain does what anybody asks of it, coins for nothing included",
            "give a loopback address",
        ));
    }
    if networks::is_real_chain(settings.devchain.chain_id) {
        dangers.push(Danger::refused(
            "devchain.chain_id",
            format!(
                "{} is the number of a real chain, where what is signed here would be valid",
                settings.devchain.chain_id
            ),
            "leave it at 31337",
        ));
    }
    dangers
}

/// What tells strangers how it looks inside.
fn insides(settings: &Settings) -> Vec<Danger> {
    if public(settings).is_empty() || settings.http.operations_listen.is_some() {
        return Vec::new();
    }
    let pages = [
        ("http.metrics", settings.http.metrics, "/metrics tells everybody how much is paid, and how it is done"),
        ("http.docs", settings.http.docs, "/docs and /openapi.json list every operation, operators' ones included"),
    ];
    let served = pages.into_iter().filter(|(_, is_served, _)| *is_served);
    let remedy = "set it to false, or http.operations_listen to an address of the operators' own";
    served.map(|(setting, _, why)| Danger::warned(setting, why, remedy)).collect()
}

/// The servers that we talk to.
fn servers(settings: &Settings) -> Vec<Danger> {
    let mut dangers = Vec::new();
    let database = settings.database.url.expose_secret();
    if database.starts_with("postgres") && !is_local_database(database) && !has_tls(database) {
        dangers.push(Danger::warned(
            "database.url",
            format!(
                "what is said to {} may go in the clear, and nobody knows whether it is the right server",
                host::name(database)
            ),
            "add ?sslmode=verify-full (with sslrootcert where the authority is your own)",
        ));
    }
    let broker = settings.broker.url.expose_secret();
    if broker.starts_with("amqp://") && !host::leads_here(broker) {
        dangers.push(Danger::warned(
            "broker.url",
            format!("password and messages go to {} in the clear", host::name(broker)),
            "use amqps://",
        ));
    }
    let store = &settings.receipts.object_store.endpoint;
    if host::is_plain_http_elsewhere(store) {
        dangers.push(Danger::warned(
            "receipts.object_store.endpoint",
            format!("receipts and the store's keys go to {} in the clear", host::name(store)),
            "use https",
        ));
    }
    let node = settings.gateways.lightning.phoenixd.as_ref().filter(|node| !node.is_sandbox);
    if let Some(node) = node.filter(|node| host::is_plain_http_elsewhere(&node.base_url)) {
        dangers.push(Danger::refused(
            "gateways.lightning.phoenixd.base_url",
            format!("the node's password would go to {} in the clear", host::name(&node.base_url)),
            "use https, or a tunnel that ends on this host",
        ));
    }
    dangers
}

/// A server on this host, by TCP or by its Unix socket.
fn is_local_database(url: &str) -> bool {
    let Ok(parsed) = Url::parse(url) else { return true };
    let by_query = parsed.query_pairs().any(|(name, value)| name == "host" && value.starts_with('/'));
    by_query || parsed.host_str().is_none_or(|host| host.is_empty() || host.starts_with("%2F")) || host::leads_here(url)
}

fn has_tls(url: &str) -> bool {
    let modes = ["require", "verify-ca", "verify-full"];
    let Ok(parsed) = Url::parse(url) else { return false };
    parsed.query_pairs().any(|(name, value)| {
        ["sslmode", "ssl-mode"].contains(&name.as_ref()) && modes.contains(&value.to_ascii_lowercase().as_str())
    })
}
