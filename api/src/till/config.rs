//! Settings of the till.

use serde::Deserialize;

/// Payments taken at a point of sale.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TillConfig {
    /// How old an exchange rate may be by which an invoice is made, seconds.
    pub rate_max_age_s: u32,
    /// How long a request for a Lightning invoice waits for the node, milliseconds.
    pub invoice_wait_ms: u64,
}

impl Default for TillConfig {
    fn default() -> Self {
        Self { rate_max_age_s: 3_600, invoice_wait_ms: 10_000 }
    }
}

impl TillConfig {
    /// Every mistake at once, each a sentence that names the setting.
    pub(crate) fn mistakes(&self, request_timeout_ms: u64) -> Vec<String> {
        let old = (self.rate_max_age_s == 0).then(|| "till.rate_max_age_s must be above 0".to_owned());
        let late = (self.invoice_wait_ms >= request_timeout_ms)
            .then(|| "till.invoice_wait_ms must be below http.request_timeout_ms".to_owned());
        old.into_iter().chain(late).collect()
    }
}
