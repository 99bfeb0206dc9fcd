//! Settings of the till.

use serde::Deserialize;
use url::Url;

/// Payments taken at a point of sale.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TillConfig {
    /// How old an exchange rate may be by which an invoice is made, seconds.
    pub rate_max_age_s: u32,
    /// How long a request for a Lightning invoice waits for the node, milliseconds.
    pub invoice_wait_ms: u64,
    /// Origins of pages on other hosts that may ask the till with their users' cookies, such as `https://till.example`.
    pub allowed_origins: Vec<String>,
    /// Whether whoever has not signed in is told the names of users, for a sign-in page.
    pub public_names: bool,
}

impl Default for TillConfig {
    fn default() -> Self {
        Self { rate_max_age_s: 3_600, invoice_wait_ms: 10_000, allowed_origins: Vec::new(), public_names: false }
    }
}

impl TillConfig {
    /// Whether pages of this origin may ask. Origins are compared as such, so that a default port equals none.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        let Some(sent) = origin_of(origin) else { return false };
        self.allowed_origins.iter().any(|allowed| origin_of(allowed).as_ref() == Some(&sent))
    }

    /// Every mistake at once, each a sentence that names the setting.
    pub(crate) fn mistakes(&self, request_timeout_ms: u64) -> Vec<String> {
        let old = (self.rate_max_age_s == 0).then(|| "till.rate_max_age_s must be above 0".to_owned());
        let late = (self.invoice_wait_ms >= request_timeout_ms)
            .then(|| "till.invoice_wait_ms must be below http.request_timeout_ms".to_owned());
        let none = self.allowed_origins.iter().filter(|origin| origin_of(origin).is_none()).map(|origin| {
            format!(
                "till.allowed_origins must hold origins such as https://till.example, each a scheme, a host and a port where \
                 it is not the usual one; {origin:?} is none"
            )
        });
        old.into_iter().chain(late).chain(none).collect()
    }
}

/// The origin that a text is, and nothing else.
fn origin_of(text: &str) -> Option<url::Origin> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !text.contains('@');
    bare.then(|| url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(origins: &[&str]) -> TillConfig {
        let allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        TillConfig { allowed_origins, ..TillConfig::default() }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let config = allowing(&["https://till.example", "http://localhost:3000"]);
        for ours in
            ["https://till.example", "https://till.example:443", "https://TILL.example", "http://localhost:3000"]
        {
            assert!(config.allows(ours), "{ours}");
        }
        for foreign in [
            "http://till.example",
            "https://till.example:8443",
            "https://a.till.example",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!config.allows(foreign), "{foreign}");
        }
        assert!(!allowing(&[]).allows("https://till.example"));
    }

    #[test]
    fn what_is_no_origin_is_a_mistake_and_a_star_is_none() {
        assert!(allowing(&["https://till.example", "https://till.example/"]).mistakes(30_000).is_empty());
        for wrong in ["*", "till.example", "https://till.example/path", "https://a@till.example", "null", "file:///"] {
            assert_eq!(allowing(&[wrong]).mistakes(30_000).len(), 1, "{wrong}");
        }
    }
}
