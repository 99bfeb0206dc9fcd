//! What the metrics of this crate mean. None has a label with an endpoint: there may be any number of them.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Describes all metrics of this crate to the installed recorder. To be called once, after it was installed.
pub fn describe_metrics() {
    describe_counter!(
        "quittance_webhook_attempts_total",
        "Attempts to deliver an event, by outcome (delivered, retried, given_up)"
    );
    describe_histogram!("quittance_webhook_attempt_seconds", Unit::Seconds, "Time an attempt took");
    describe_counter!(
        "quittance_webhook_kept_connections_closed_total",
        "Requests that were sent a second time at once, because the endpoint closed the kept connection of the first"
    );
    describe_gauge!("quittance_webhook_in_flight", "Requests to endpoints that are under way");
    describe_gauge!("quittance_webhook_oldest_due_seconds", Unit::Seconds, "How long the longest due delivery is due");
    describe_gauge!("quittance_webhook_breakers_open", "Enabled endpoints with something due whose breaker is open");
    describe_gauge!("quittance_webhook_endpoints_disabled", "Endpoints that are disabled");
    describe_counter!("quittance_webhook_endpoints_disabled_total", "How often an endpoint was disabled");
    describe_counter!(
        "quittance_webhook_headers_unopened_total",
        "Attempts that were not made because a header of the endpoint was sealed with another webhooks.secret, or is damaged"
    );
    describe_counter!(
        "quittance_webhook_secret_mismatches_total",
        "How often this process signed nothing because its webhooks.secret is not the one that the endpoint was made with"
    );
}
