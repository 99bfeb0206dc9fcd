//! What is counted of requests.

use meters::{
    Meter, SECONDS,
    Values::{Known, Later},
};

/// Every metric of this crate.
pub const METERS: &[Meter] = &[
    Meter::histogram(
        "quittance_http_request_duration_seconds",
        "Time from a request's head to its answer, by method, route and status",
        SECONDS,
        &[("method", Later), ("route", Later), ("status", Later)],
    ),
    Meter::gauge("quittance_http_connections", "Connections of clients that are open", &[]),
    Meter::counter(
        "quittance_http_connections_refused_total",
        "Connections that were refused, by the limit that was reached (all, address)",
        &[("limit", Known(&["all", "address"]))],
    ),
    Meter::sampled("quittance_disk_free_mib", "Room on the fullest of the configured disks", &[]),
    Meter::counter(
        "quittance_disk_refused_total",
        "Requests that were refused because there was no room for them",
        &[],
    ),
    Meter::counter(
        "quittance_offload_refused_total",
        "Requests that were refused because too much of their work was under way, by work (hashing, parsing, reading)",
        &[("work", Known(OFFLOADED))],
    ),
    Meter::histogram(
        "quittance_offload_wait_seconds",
        "Time that work waited for its turn, by work",
        SECONDS,
        &[("work", Known(OFFLOADED))],
    ),
    Meter::counter(
        "quittance_sign_ins_failed_total",
        "Sign-ins with a wrong secret, by the account's kind",
        &[("account", Known(&["user", "integration"]))],
    ),
    Meter::counter(
        "quittance_sign_ins_blocked_total",
        "How often wrong sign-ins blocked somebody, by what was blocked (account, address, pair, site)",
        &[("of", Known(&["account", "address", "pair", "site"]))],
    ),
    Meter::counter(
        "quittance_strangers_refused_total",
        "Requests without a sign-in that were refused, by the limit that was reached (address, site, subject, all)",
        &[("limit", Known(&["address", "site", "subject", "all"]))],
    ),
    Meter::counter(
        "quittance_callback_checks_refused_total",
        "Callbacks that were not checked at their gateway because too many were checked already",
        &[],
    ),
    Meter::counter(
        "quittance_uploads_removed_total",
        "Uploaded files that no receipt named and that were removed",
        &[],
    ),
    Meter::counter("quittance_uploads_refused_total", "Uploads that were refused because there were too many", &[]),
];

const OFFLOADED: &[&str] = &["hashing", "parsing", "reading"];
