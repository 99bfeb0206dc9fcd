//! What is counted of webhooks. Nothing has a label with an endpoint: there may be any number of them.

use meters::{Meter, SECONDS, Values::Known};

/// Every metric of this crate.
pub const METERS: &[Meter] = &[
    Meter::counter(
        "quittance_webhook_attempts_total",
        "Attempts to deliver an event, by outcome (delivered, retried, given_up)",
        &[("outcome", Known(&["delivered", "retried", "given_up"]))],
    ),
    Meter::histogram("quittance_webhook_attempt_seconds", "Time an attempt took", SECONDS, &[]),
    Meter::counter(
        "quittance_webhook_kept_connections_closed_total",
        "Requests that were sent a second time at once, because the endpoint closed the kept connection of the first",
        &[],
    ),
    Meter::gauge("quittance_webhook_in_flight", "Requests to endpoints that are under way", &[]),
    Meter::gauge("quittance_webhook_oldest_due_seconds", "How long the longest due delivery is due", &[]),
    Meter::gauge("quittance_webhook_breakers_open", "Enabled endpoints with something due whose breaker is open", &[]),
    Meter::gauge("quittance_webhook_endpoints_disabled", "Endpoints that are disabled", &[]),
    Meter::counter("quittance_webhook_endpoints_disabled_total", "How often an endpoint was disabled", &[]),
    Meter::counter(
        "quittance_webhook_headers_unopened_total",
        "Attempts that were not made because a header of the endpoint was sealed with another webhooks.secret, or is damaged",
        &[],
    ),
    Meter::counter(
        "quittance_webhook_secret_mismatches_total",
        "How often this process signed nothing because its webhooks.secret is not the one that the endpoint was made with",
        &[],
    ),
];
